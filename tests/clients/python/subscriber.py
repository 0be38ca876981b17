"""pyzmq: hears of blocks and transactions on every topic, in order and without a gap."""
import base64
import hashlib
import json
import struct
import sys
import time
import urllib.request

import zmq

datadir, port, address = sys.argv[1], int(sys.argv[2]), sys.argv[3]
WITHIN = 120
TOPICS = ["hashblock", "rawblock", "hashtx", "rawtx", "sequence"]


def call(method, *params):
    with open(datadir + "/regtest/.cookie", "rb") as file:
        login = base64.b64encode(file.read()).decode()
    body = json.dumps({"method": method, "params": params}).encode()
    request = urllib.request.Request("http://127.0.0.1:%d/" % port, body, {"Authorization": "Basic " + login})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["result"]


def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


told = call("getzmqnotifications")
assert sorted(row["type"] for row in told) == sorted("pub" + topic for topic in TOPICS), told
assert all(row["address"] == address and row["hwm"] > 0 for row in told), told

socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.RCVTIMEO, 1000)
for topic in TOPICS:
    socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
socket.connect(address)

heard = {topic: [] for topic in TOPICS}


def hear():
    """One message; whether there was one within a second."""
    try:
        topic, body, number = socket.recv_multipart()
    except zmq.Again:
        return False
    messages = heard[topic.decode()]
    number = struct.unpack("<I", number)[0]
    assert not messages or messages[-1][1] + 1 == number, (topic, number)
    messages.append((body, number))
    return True


# A subscriber is there when it hears something on every topic; until then blocks are made.
SCRIPT = "raw(51)"
began = time.time()
while not all(heard.values()):
    assert time.time() - began < WITHIN, heard
    call("generatetodescriptor", 1, SCRIPT)
    while hear():
        pass

blocks = call("generatetodescriptor", 5, SCRIPT)
while len(heard["sequence"]) == 0 or heard["sequence"][-1][0][:32].hex() != blocks[-1]:
    assert time.time() - began < WITHIN, heard["sequence"]
    hear()
while len(heard["rawtx"]) < len(heard["hashtx"]) or heard["rawblock"][-1][0][:80] != bytes.fromhex(call("getblockheader", blocks[-1], False)):
    assert time.time() - began < WITHIN
    hear()
for topic in ["hashblock", "hashtx", "rawtx", "rawblock"]:
    while len(heard[topic]) < 6:
        assert time.time() - began < WITHIN, topic
        hear()

hashes = [body.hex() for body, _ in heard["hashblock"]]
assert hashes[-5:] == blocks, hashes
assert [sha256d(body[:80])[::-1].hex() for body, _ in heard["rawblock"]][-5:] == blocks
assert [body[:32].hex() for body, _ in heard["sequence"]][-5:] == blocks
assert all(body[32:] == b"C" for body, _ in heard["sequence"])
ids = [call("getblock", block, 1)["tx"][0] for block in blocks]
assert [txid for txid in [body.hex() for body, _ in heard["hashtx"]] if txid in ids] == ids
print("done")
