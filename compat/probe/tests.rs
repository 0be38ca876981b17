use super::{argument, head, output, psbt, request, rest, subscriber};

#[path = "../../tests/common/feed.rs"]
mod feed;

use feed::feed;

#[test]
fn requests_of_any_bytes_are_borne() {
    feed(
        request,
        &[
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getblock\",\"params\":[\"00\",1]}",
            b"{\"method\":\"getblockhash\",\"params\":{\"height\":5,\"args\":[1]}}",
            b"[{\"method\":\"sendrawtransaction\",\"params\":[\"00\",0.1,1e-8]},{\"jsonrpc\":1.0,\"id\":null}]",
            b"{\"method\":\"createrawtransaction\",\"params\":[[{\"txid\":\"aa\",\"vout\":0}],{\"data\":\"00\"}]}",
            b"{\"method\":\"dumptxoutset\",\"params\":{\"path\":\"x\",\"options\":{\"rollback\":1}}}",
            b"[[[[[{\"a\":-0.0e300,\"b\":\"\\ud83d\\ude00\"}]]]]]",
            b"null",
        ],
    );
}

#[test]
fn heads_of_any_bytes_are_borne() {
    feed(
        head,
        &[
            b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\nContent-Length: 2\r\n\r\n{}",
            b"POST / HTTP/1.1\nauthorization: Basic eA==\ncontent-length: 2\nConnection: keep-alive\n\n{}POST / HTTP",
            b"Transfer-Encoding: chunked\r\n",
            b"GET /rest/chaininfo.json HTTP/1.0\r\n\r\n",
        ],
    );
}

#[test]
fn paths_of_any_bytes_are_borne() {
    feed(
        rest,
        &[
            b"/rest/headers/5/00000000000000000000000000000000000000000000000000000000000000aa.json",
            b"/rest/blockpart/00000000000000000000000000000000000000000000000000000000000000aa.bin?offset=1&size=%31",
            b"/rest/getutxos/checkmempool/00000000000000000000000000000000000000000000000000000000000000aa-0.json",
            b"/rest/getutxos.bin\n\x01\x02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            b"/rest/getutxos.hex\n0102 aa",
            b"/rest/mempool/contents.json?verbose=false&mempool_sequence=true",
            b"/rest/blockhashbyheight/18446744073709551616.hex",
        ],
    );
}

#[test]
fn subscribers_of_any_bytes_are_borne() {
    let greeting = [&b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL"[..], &[0; 48]].concat();
    feed(
        subscriber,
        &[
            &greeting,
            b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB",
            b"\x00\x04\x01raw",
            b"\x04\x09\x04PING\x00\x00xy",
            b"\x02\x00\x00\x00\x00\x00\x00\x00\x01\x01",
        ],
    );
}

#[test]
fn outputs_of_any_bytes_are_borne() {
    feed(
        output,
        &[
            b"bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85",
            b"raw(76a914000000000000000000000000000000000000000088ac)#00000000",
            b"wsh(multi(1,0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798))",
            b"addr(mkESjLZW66TmHhiFX8MCaBjrhZ543PPh9a)#9amq2e2v",
            b"\x51\x52\x53\xae",
            b"\x00\x14aaaaaaaaaaaaaaaaaaaa",
        ],
    );
}

#[test]
fn arguments_of_any_bytes_are_borne() {
    feed(
        argument,
        &[
            b"21000000.00000001",
            b"-1.5e-300",
            b"[2,1000000]",
            b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            b"bcrt1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesp3z0v5",
            b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            b"10.0.0.0/255.255.0.0",
            b"u:s$2f05477fc24bb4faefd86517156dafdecec45b8ad3cf2522a563582b8be0d3fa",
            b"Basic dTpw",
            b"00000000000000000000000000000000000000000000000000000000000000aa",
        ],
    );
}

#[test]
fn partially_signed_transactions_of_any_bytes_are_borne() {
    // One input with a coin, a script, and a key by which it is derived; and one without anything.
    let mut full = b"psbt\xff\x01\x00\x52\x02\0\0\0\x01".to_vec();
    full.extend([7; 32]);
    full.extend(b"\0\0\0\0\0\xff\xff\xff\xff\x01\xe8\x03\0\0\0\0\0\0\x16\x00\x14");
    full.extend([9; 20]);
    full.extend(b"\0\0\0\0\0");
    full.extend(b"\x01\x01\x1f\xd0\x07\0\0\0\0\0\0\x16\x00\x14");
    full.extend([5; 20]);
    full.extend(b"\x01\x03\x04\x01\0\0\0\x01\x04\x02\x51\x51\x02\xfc\x01\x02\xaa\xbb\0\0");
    feed(psbt, &[&full, b"psbt\xff\x01\x00\x0a\x02\0\0\0\0\0\0\0\0\0\0", b"cHNidP8BAAoCAAAAAAAAAAAAAA=="]);
}
