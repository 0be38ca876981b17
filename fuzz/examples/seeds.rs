//! Writes what the targets begin with to `corpus/<target>/`: Core's vectors, real blocks where `ADIT_DATA` says, and a few
//! spends and lines of our own. Run it in this folder: `cargo run --example seeds`.

use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use adit_domain::peer::{Locator, Message};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::BlockHash;
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message_blockdata::Inventory;
use serde_json::Value;

#[path = "../../tests/common/seeds.rs"]
mod seeds;

type Done = Result<(), Box<dyn Error>>;

/// Bytes of a seed; a longer one slows every round down.
const SEED_BYTES_MAX: usize = 20_000;

fn write(target: &str, seed: &[u8]) -> Done {
    if seed.len() > SEED_BYTES_MAX {
        return Ok(());
    }
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    let name = bitcoin::hashes::sha256::Hash::hash(seed).to_string();
    Ok(fs::write(folder.join(&name[..16]), seed)?)
}

/// The folder of Core's vectors, which cargo knows.
fn core() -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["metadata", "--format-version=1"]).current_dir("..").output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let package = packages.iter().find(|p| p["name"] == "libbitcoinkernel-sys").ok_or("no package")?;
    let manifest = PathBuf::from(package["manifest_path"].as_str().ok_or("no path")?);
    Ok(manifest.with_file_name("bitcoin").join("src/test/data"))
}

fn rows(file: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// Scripts of an output and an input, and a witness, as the target `script` reads them.
fn looked_at(output: &[u8], input: &[u8], witness: &[&[u8]]) -> Vec<u8> {
    let mut seed = Vec::new();
    for part in [output, input].iter().chain(witness) {
        seed.extend_from_slice(&(part.len() as u16).to_le_bytes());
        seed.extend_from_slice(part);
    }
    seed
}

fn transaction(raw: &[u8]) -> Done {
    write("transaction", raw)?;
    let Ok(tx) = ParsedTx::decode(raw) else { return Ok(()) };
    for (input, output) in tx.tx().input.iter().zip(tx.tx().output.iter().cycle()) {
        let witness: Vec<&[u8]> = input.witness.iter().collect();
        let (output, script) = (output.script_pubkey.as_bytes(), input.script_sig.as_bytes());
        write("script", &looked_at(output, script, &witness))?;
        write("witness", &[serialize(&input.script_sig), serialize(&input.witness)].concat())?;
    }
    write("peer", &framed(Message::Tx(Arc::new(tx))))
}

fn framed(message: Message) -> Vec<u8> {
    [vec![255], message.encode(Magic::BITCOIN).unwrap_or_default()].concat()
}

fn block(raw: &[u8]) -> Done {
    write("block", raw)?;
    let Ok(block) = ParsedBlock::decode(raw) else { return Ok(()) };
    for tx in block.txs().iter().take(400) {
        transaction(tx.raw())?;
    }
    write("peer", &framed(Message::Headers(vec![*block.header(); 3])))?;
    write("peer", &framed(Message::Block(Arc::new(block))))
}

fn vectors() -> Done {
    let folder = core()?;
    for file in ["tx_valid.json", "tx_invalid.json"] {
        for raw in rows(&folder.join(file))?.iter().filter_map(|row| row[1].as_str()) {
            transaction(&Vec::from_hex(raw)?)?;
        }
    }
    let digests = rows(&folder.join("sighash.json"))?;
    for row in digests.iter().filter(|row| row[2].is_number()).take(60) {
        let part = |n: usize| Vec::from_hex(row[n].as_str().unwrap_or_default());
        transaction(&part(0)?)?;
        spends(&part(1)?, row[2].as_u64().unwrap_or_default() as u8)?;
        let digest = [&[0][..], &part(0)?, &part(1)?].concat();
        write("sighash", &digest)?;
    }
    for row in rows(&folder.join("blockfilters.json"))?.iter().skip(1) {
        block(&Vec::from_hex(row[2].as_str().unwrap_or_default())?)?;
    }
    Ok(())
}

/// Blocks of `ADIT_DATA`, as far as they are there.
fn real_blocks() -> Done {
    let Some(folder) = std::env::var_os("ADIT_DATA").map(|folder| PathBuf::from(folder).join("blocks"))
    else {
        println!("no real blocks, ADIT_DATA is not set");
        return Ok(());
    };
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let mut bytes = fs::read(&path)?;
        let name = path.to_string_lossy().into_owned();
        if name.ends_with(".dat") {
            bytes.drain(..8);
        } else if name.ends_with("block.zst") {
            let packed = std::mem::take(&mut bytes);
            ruzstd::decoding::StreamingDecoder::new(packed.as_slice())?.read_to_end(&mut bytes)?;
        } else if !name.ends_with(".block") {
            continue;
        }
        if let Ok(parsed) = ParsedBlock::decode(&bytes) {
            for tx in parsed.txs().iter().step_by(9) {
                transaction(tx.raw())?;
            }
        }
    }
    Ok(())
}

/// One script behind each kind of output, with signatures to choose from: the layout is that of `Plan`.
fn spends(script: &[u8], counts: u8) -> Done {
    for shape in 0..9_u8 {
        for flags in [0x0002_0e15_u32, 0x001f_ffdf, 0] {
            let mut seed = [flags.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
            seed.push(counts);
            seed.extend_from_slice(&2_u32.to_le_bytes());
            seed.extend_from_slice(&[0; 4]);
            seed.extend_from_slice(&[0xff; 4]);
            seed.push(shape);
            seed.extend_from_slice(&(script.len() as u16).to_le_bytes());
            seed.extend_from_slice(script);
            // No element; one signature; a number and two signatures; and more signatures than are needed.
            let signature = [0xf0, 0, u8::from(shape < 4), 0xff];
            let elements = match counts % 4 {
                0 => vec![0],
                1 => [&[1][..], &signature].concat(),
                2 => [&[3, 0][..], &signature, &[0xf0, 1, 1, 0xff]].concat(),
                _ => [&[4, 1, 1][..], &signature, &signature, &[1, 2]].concat(),
            };
            seed.extend_from_slice(&elements);
            write("interpreter", &seed)?;
        }
    }
    Ok(())
}

/// Scripts with keys that the plan knows: 0xf0 and 0xf1 stand for keys.
const SCRIPTS: [&[u8]; 20] = [
    &[0xf0, 0, 0xac],
    &[0xf1, 0, 0xac],
    &[0xf2, 0, 0xac],
    &[0xf0, 0, 0xad, 0x51],
    &[0x52, 0xf0, 0, 0xf0, 1, 0xf0, 2, 0x53, 0xae],
    &[0x51, 0xf0, 0, 0xf2, 1, 0x52, 0xaf, 0x51],
    &[0xf1, 0, 0xac, 0xf1, 1, 0xba, 0x52, 0x87],
    &[0xab, 0xf0, 0, 0xac],
    &[0xf0, 0, 0xad, 0xab, 0xf0, 0, 0xac],
    &[0x63, 0xf0, 0, 0x67, 0xf0, 1, 0x68, 0xac],
    &[0x64, 0x51, 0x67, 0x63, 0x52, 0x68, 0x68],
    &[0x51, 0xb1, 0x75, 0x51],
    &[0x52, 0xb2, 0x75, 0x51],
    &[0x76, 0xa9, 0x14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 0x88, 0xac],
    &[0x51, 0x6b, 0x52, 0x53, 0x6c, 0x71, 0x70, 0x6f, 0x6e, 0x6d, 0x74, 0x7a, 0x79],
    &[0x51, 0x52, 0xa5, 0x93, 0x94, 0x8b, 0x8c, 0x8f, 0x90, 0x91, 0x92, 0xa3, 0xa4, 0x9c],
    &[0x51, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0x82, 0x87],
    &[0x4c, 2, 1, 2, 0x4d, 1, 0, 7, 0x4e, 1, 0, 0, 0, 9],
    &[0xf4, 0x51, 0xe9, 3],
    &[0x50, 0x7e, 0x51],
];

const LINES: [&str; 14] = [
    r#"{"id":1,"method":"mining.subscribe","params":["cgminer/4.12.1","00000001"]}"#,
    r#"{"id":2,"method":"mining.authorize","params":["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq.rig%2D1","d=1024,x"]}"#,
    r#"{"id":3,"method":"mining.submit","params":["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa.r","1f","00000001","504e86ed","b2957c02","00002000"]}"#,
    r#"{"id":"u","method":"mining.configure","params":[["version-rolling","minimum-difficulty"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2,"minimum-difficulty.value":2048.5}]}"#,
    r#"{"id":null,"method":"mining.suggest_difficulty","params":[0.001]}"#,
    r#"{"id":5,"method":"mining.ping"}"#,
    r#"{"id":6,"method":"client.get_version","params":null}"#,
    r#"{"id":7,"result":true,"error":null}"#,
    r#"{"id":8,"id":9,"method":"\u006dining.ping"}"#,
    r#"{"id":1e400,"method":5}"#,
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq.worker",
    "2MxFajLApXpYk4VodBSZSt7rw8y4ryABkfA",
    "BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080.a%2eb",
    "{}",
];

fn our_own() -> Done {
    for (counts, script) in SCRIPTS.iter().enumerate() {
        for counts in [counts as u8, 0x55 ^ counts as u8, counts as u8 + 1] {
            spends(script, counts)?;
        }
    }
    for line in LINES {
        write("stratum", line.as_bytes())?;
    }
    let hash = BlockHash::from_byte_array([3; 32]);
    let items = vec![Inventory::Block(hash), Inventory::WitnessTransaction(bitcoin::Txid::all_zeros())];
    let messages = [
        Message::Verack,
        Message::Ping(7),
        Message::GetHeaders(Locator::from_hashes(vec![hash])),
        Message::Inv(items.clone()),
        Message::GetData(items.clone()),
        Message::NotFound(items),
        Message::Mempool,
    ];
    for message in messages {
        write("peer", &framed(message))?;
    }
    for network in 0..5_u8 {
        let header = [&[0][..], &[4, 0, 0, 0, 1, 0]].concat();
        write("header", &[&[network, 0, 0, 0, 0, 0, 0x10, 0, 0][..], &header.repeat(40)].concat())?;
    }
    Ok(())
}

/// Requests, paths, what a subscriber says, outputs.
fn faces() -> Done {
    let hash = "00".repeat(32);
    for method in ["getblock", "getrawtransaction", "scantxoutset", "createrawtransaction", "submitblock"] {
        write(
            "request",
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":[\"{hash}\",1]}}")
                .as_bytes(),
        )?;
        write(
            "request",
            format!("[{{\"method\":\"{method}\",\"params\":{{\"args\":[1e-8],\"x\":null}}}}]").as_bytes(),
        )?;
    }
    for path in
        ["headers/5", "block", "blockpart", "tx", "spenttxouts", "blockfilter/basic", "getutxos/checkmempool"]
    {
        write("rest", format!("/rest/{path}/{hash}-0.json?offset=1&size=%31&count=5").as_bytes())?;
    }
    write("rest", &[b"/rest/getutxos.bin\n\x02".as_slice(), &[7; 72]].concat())?;
    let greeting = [b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL".as_slice(), &[0; 48]].concat();
    let said = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB\0\x04\x01raw\x04\x09\x04PING\0\0xy";
    write("subscriber", &[greeting.as_slice(), said].concat())?;
    for text in [
        "raw(51)#00000000",
        "addr(mkESjLZW66TmHhiFX8MCaBjrhZ543PPh9a)",
        "wsh(multi(1,02aa,xpub6))",
        "tr(0279be)",
    ] {
        write("output", text.as_bytes())?;
    }
    for text in [
        "21000000.00000001",
        "1e-8",
        "[2,1000000]",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bcrt1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesp3z0v5",
        "10.0.0.0/255.255.0.0",
        "ALL|ANYONECANPAY",
    ] {
        write("argument", text.as_bytes())?;
    }
    // BIP174's first valid one, and one that is blank.
    for text in [
        "cHNidP8BAHUCAAAAASaBcTce3/KF6Tet7qSze3gADAVmy7OtZGQXE8pCFxv2AAAAAAD+////AtPf9QUAAAAAGXapFNDFmQPFusKGh2DpD9UhpGZap2UgiKwA4fUFAAAAABepFDVF5uM7gyxHBQ8k0+65PJwDlIvHh7MuEwAAAQD9pQEBAAAAAAECiaPHHqtNIOA3G7ukzGmPopXJRjr6Ljl/hTPMti+VZ+UBAAAAFxYAFL4Y0VKpsBIDna89p95PUzSe7LmF/////4b4qkOnHf8USIk6UwpyN+9rRgi7st0tAXHmOuxqSJC0AQAAABcWABT+Pp7xp0XpdNkCxDVZQ6vLNL1TU/////8CAMLrCwAAAAAZdqkUhc/xCX/Z4Ai7NK9wnGIZeziXikiIrHL++E4sAAAAF6kUM5cluiHv1irHU6m80GfWx6ajnQWHAkcwRAIgJxK+IuAnDzlPVoMR3HyppolwuAJf3TskAinwf4pfOiQCIAGLONfc0xTnNMkna9b7QPZzMlvEuqFEyADS8vAtsnZcASED0uFWdJQbrUqZY3LLh+GFbTZSYG2YVi/jnF6efkE/IQUCSDBFAiEA0SuFLYXc2WHS9fSrZgZU327tzHlMDDPOXMMJ/7X85Y0CIGczio4OFyXBl/saiK9Z9R5E5CVbIBZ8hoQDHAXR8lkqASECI7cr7vCWXRC+B3jv7NYfysb3mk6haTkzgHNEZPhPKrMAAAAAAAAA",
        "cHNidP8BAAoCAAAAAAAAAAAAAA==",
    ] {
        write("psbt", text.as_bytes())?;
    }
    Ok(())
}

/// Settings, and files that are read at the start.
fn files() -> Done {
    for (target, seeds) in [("flags", seeds::FLAGS), ("conf", seeds::CONF), ("toml", seeds::TOML)] {
        seeds.iter().try_for_each(|seed| write(target, seed))?;
    }
    let tx = format!("0100000001{}00000000{}01e80300000000000000{}", "11".repeat(32), "00ffffffff", "00000000");
    let tx = Vec::from_hex(&tx)?;
    let row = [&tx[..], &[1; 8], &[2; 8]].concat();
    let rows = [&1_u64.to_le_bytes()[..], &row, b"\x01", &[3; 40], b"\x01", &[4; 32]].concat();
    write("mempool_file", &[&1_u64.to_le_bytes()[..], &rows].concat())?;
    write("mempool_file", &[&2_u64.to_le_bytes()[..], &[8, 0, 0, 0, 0, 0, 0, 0, 0], &rows].concat())?;
    let peer = [&[5; 33][..], b"\x01\x08\x08\x08\x08\x20\x8d\x01\x09\x09\x09\x09\0\0"].concat();
    write("peers_file", &[b"ADITPEER\x01", &[6; 32][..], &2_u32.to_le_bytes(), &peer, &peer].concat())?;
    write("bans_file", br#"{"banned_nets":[{"version":1,"ban_created":1,"banned_until":9999999999,"address":"10.0.0.0/8"}]}"#)?;
    for len in [80_u32, 300] {
        let block = [&[0xfa, 0xbf, 0xb5, 0xda][..], &len.to_le_bytes(), &[7; 80]].concat();
        write("block_file", &[&block[..], &[0; 30], &block].concat())?;
    }
    let head = [b"utxo\xff\x02\0\xfa\xbf\xb5\xda", &[5; 32][..], &1_u64.to_le_bytes()].concat();
    write("snapshot", &[&head[..], &[6; 32], b"\x01\0\x02\0\0aaaaaaaaaaaaaaaaaaaa"].concat())
}

fn main() -> Done {
    files()?;
    faces()?;
    vectors()?;
    real_blocks()?;
    our_own()
}
