"""pyzmq: hears of blocks and transactions on every topic, in order and without a gap, follows a transaction through the mempool, a block and a
reorganisation; one that reads nothing for a while finds a gap in the numbers, and what it missed by asking."""
import base64
import hashlib
import json
import struct
import sys
import time
import urllib.request

import zmq

datadir, port, address, aside = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
# Longer than any machine stands still.
WITHIN = 600
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
here = [row for row in told if row["address"] == address]
assert sorted(row["type"] for row in here) == sorted("pub" + topic for topic in TOPICS), told
assert [row["type"] for row in told if row["address"] == aside] == ["pubrawblock"], told
assert all(row["hwm"] > 0 for row in told), told

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

# A slow one beside it, where two messages wait at most: it subscribes now and reads at the end.
slow = zmq.Context().socket(zmq.SUB)
slow.setsockopt(zmq.RCVHWM, 1)
slow.setsockopt(zmq.RCVTIMEO, 1000)
slow.setsockopt(zmq.SUBSCRIBE, b"rawblock")
slow.connect(aside)
first = None
while first is None:
    assert time.time() - began < WITHIN
    call("generatetodescriptor", 1, SCRIPT)
    try:
        _, _, first = slow.recv_multipart()
    except zmq.Again:
        pass

# A transaction comes, is mined, and its block leaves the chain for two others without it.
ANYONE = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85"
(funding,) = call("generatetoaddress", 1, ANYONE)
call("generatetodescriptor", 100, SCRIPT)
coin = call("getblock", funding, 2)["tx"][0]
bare = bytes.fromhex(call("createrawtransaction", [{"txid": coin["txid"], "vout": 0}], [{ANYONE: 49.999}]))


def sign(bare):
    """As BIP144 has it: marker and flag behind the version; before the lock time the witness, which is the script OP_TRUE."""
    return bare[:4] + b"\x00\x01" + bare[4:-4] + b"\x01\x01\x51" + bare[-4:]


signed = sign(bare)
txid = call("sendrawtransaction", signed.hex())
(mined,) = call("generatetodescriptor", 1, SCRIPT)
below = call("getblockheader", mined)["previousblockhash"]
call("invalidateblock", mined)
pool = call("getrawmempool", False, True)
assert pool["txids"] == [txid] and call("getbestblockhash") == below, pool
others = [call("generateblock", ANYONE, [])["hash"] for _ in range(2)]
assert call("getbestblockhash") == others[1]


def sequence():
    """What happened, from the transaction's coming on: hash, letter, and the mempool's number where there is one."""
    rows = [(body[:32].hex(), chr(body[32]), body[33:]) for body, _ in heard["sequence"]]
    return rows[[row[:2] for row in rows].index((txid, "A")):] if (txid, "A") in [row[:2] for row in rows] else []


while not sequence() or sequence()[-1][0] != others[1]:
    assert time.time() - began < WITHIN, heard["sequence"][-5:]
    hear()
told = [row[:2] for row in sequence()]
# It came, its block came and went, it came back, two others came.
wanted = [(txid, "A"), (mined, "C"), (mined, "D"), (txid, "A"), (others[0], "C"), (others[1], "C")]
assert told == wanted, (told, wanted)
numbers = [struct.unpack("<Q", row[2])[0] for row in sequence() if row[2]]
# What the mempool's list was asked with is the number of what comes next.
assert numbers == sorted(numbers) and pool["mempool_sequence"] == numbers[-1] + 1, (numbers, pool)
while [body for body, _ in heard["rawtx"]].count(signed) < 4:
    # When it came, in its block, when that left, and when it came back.
    assert time.time() - began < WITHIN, txid
    hear()
assert [body.hex() for body, _ in heard["hashtx"]].count(txid) >= 3

# Blocks of 90 kB, more than wait for the slow one: it has missed some, the numbers say so, and the next that it hears it can rely on.
parent, amount, missed, last = txid, 49.999, 0, struct.unpack("<I", first)[0]
while missed == 0:
    assert time.time() - began < WITHIN, last
    for _ in range(8):
        amount = round(amount - 0.01, 8)
        outputs = [{ANYONE: amount}, {"data": "00" * 90000}]
        bare = bytes.fromhex(call("createrawtransaction", [{"txid": parent, "vout": 0}], outputs))
        parent = call("sendrawtransaction", sign(bare).hex())
        call("generatetodescriptor", 1, SCRIPT)
    try:
        while True:
            _, _, number = slow.recv_multipart()
            number = struct.unpack("<I", number)[0]
            assert number > last
            missed, last = missed + number - last - 1, number
    except zmq.Again:
        pass
print("done")
