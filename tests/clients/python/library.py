"""python-bitcoinlib: mines, spends with a key, looks at what became of it, and follows a block that leaves the chain."""
import sys

import bitcoin
import bitcoin.rpc
from bitcoin.core import COIN, CMutableTransaction, CMutableTxIn, CMutableTxOut, COutPoint, b2lx
from bitcoin.core.script import SIGHASH_ALL, CScript, SignatureHash
from bitcoin.core.scripteval import SCRIPT_VERIFY_P2SH, VerifyScript
from bitcoin.wallet import CBitcoinSecret, P2PKHBitcoinAddress

datadir, port = sys.argv[1], int(sys.argv[2])
bitcoin.SelectParams("regtest")
proxy = bitcoin.rpc.Proxy(btc_conf_file=datadir + "/bitcoin.conf", service_port=port, timeout=600)

key = CBitcoinSecret.from_secret_bytes(b"\x01" * 32)
mine = P2PKHBitcoinAddress.from_pubkey(key.pub)
hashes = list(proxy.generatetoaddress(101, mine))
assert len(hashes) == 101 and proxy.getblockcount() == 101
assert proxy.getbestblockhash() == hashes[100] == proxy.getblockhash(101)

block = proxy.getblock(hashes[0])
assert block.GetHash() == hashes[0]
coinbase = block.vtx[0]
coin = COutPoint(coinbase.GetTxid(), 0)
assert proxy.gettxout(coin)["txout"].nValue == 50 * COIN

tx = CMutableTransaction([CMutableTxIn(coin)], [CMutableTxOut(49 * COIN, mine.to_scriptPubKey())])
digest = SignatureHash(mine.to_scriptPubKey(), tx, 0, SIGHASH_ALL)
tx.vin[0].scriptSig = CScript([key.sign(digest) + bytes([SIGHASH_ALL]), key.pub])
VerifyScript(tx.vin[0].scriptSig, mine.to_scriptPubKey(), tx, 0, (SCRIPT_VERIFY_P2SH,))

# A fee of a whole coin is more than a node lets pass unasked.
try:
    proxy.sendrawtransaction(tx)
    raise SystemExit("a fee of a coin was let pass")
except bitcoin.rpc.VerifyError as error:
    assert error.error["code"] == -25, error
txid = proxy.call("sendrawtransaction", tx.serialize().hex(), 0)
assert txid == b2lx(tx.GetTxid())
assert proxy.getrawmempool() == [tx.GetTxid()]
try:
    proxy.gettxout(coin)
    raise SystemExit("the coin is spent")
except IndexError:
    pass
found = proxy.getrawtransaction(tx.GetTxid(), True)
assert found["tx"].GetTxid() == tx.GetTxid()

(tip,) = proxy.generatetoaddress(1, mine)
assert [t.GetTxid() for t in proxy.getblock(tip).vtx[1:]] == [tx.GetTxid()]
assert proxy.getblockheader(tip).hashPrevBlock == hashes[100]
assert proxy.getblockheader(tip, True)["confirmations"] == 1
spent = proxy.gettxout(COutPoint(tx.GetTxid(), 0))
assert spent["txout"].nValue == 49 * COIN and spent["bestblock"] == tip

proxy.call("invalidateblock", b2lx(tip))
assert proxy.getbestblockhash() == hashes[100] and proxy.getrawmempool() == [tx.GetTxid()]

try:
    proxy.getblockhash(5000)
    raise SystemExit("there is no such height")
except IndexError:
    pass
try:
    proxy.call("getinfo")
    raise SystemExit("there is no such method")
except bitcoin.rpc.JSONRPCError as error:
    assert error.error["code"] == -32601, error
print("done")
