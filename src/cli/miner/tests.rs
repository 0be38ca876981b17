use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

#[test]
fn the_pause_before_a_connection_grows_to_its_limit() {
    let seconds: Vec<u64> = [0, 1, 2, 4, 5, 31, 32, u32::MAX].map(|f| backoff(f).as_secs()).to_vec();
    assert_eq!(seconds, [1, 2, 4, 16, 30, 30, 30, 30]);
}

#[test]
fn newer_work_is_seen_and_a_closed_slot_lets_threads_end() {
    let slot = WorkSlot::default();
    slot.put(Some(work()));
    let first = slot.wait().unwrap();
    assert!(slot.is_newest(&first));
    slot.put(Some(work()));
    assert!(!slot.is_newest(&first));
    assert!(slot.is_newest(&slot.wait().unwrap()));
    slot.close();
    assert!(slot.wait().is_none());
}

fn work() -> work::Work {
    let notify = protocol::Notify {
        job: "1".to_owned(),
        prev: [0; 32],
        coinb1: vec![],
        coinb2: vec![],
        branch: vec![[1; 32]],
        version: 0,
        bits: 0,
        time: 0,
    };
    work::Work::new(0, &work::Terms::default(), notify, adit_domain::units::Difficulty::MIN)
}

const NOTIFY: &str = r#"{"id":null,"method":"mining.notify","params":["1","0000000000000000000000000000000000000000000000000000000000000000","00","00",[],"20000000","1d00ffff","6553f100",true]}"#;

/// A pool that answers each connection with these lines, and the authorisation with the last one.
async fn pool(hello: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            stream.get_mut().write_all(format!("{}\n", hello.join("\n")).as_bytes()).await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                // Every other share is refused.
                let id = value["id"].as_u64().unwrap();
                if value["method"] == "mining.submit" {
                    let reply =
                        format!("{{\"id\":{id},\"result\":{},\"error\":null}}\n", id.is_multiple_of(2));
                    let _ = stream.get_mut().write_all(reply.as_bytes()).await;
                }
                line.clear();
            }
        }
    });
    at
}

fn config(pool: String) -> MinerConfig {
    MinerConfig {
        pool,
        user: "user".to_owned(),
        password: "x".to_owned(),
        threads: NonZeroUsize::MIN,
        version_rolling: true,
    }
}

#[tokio::test]
async fn it_mines_what_it_is_given_and_counts_what_it_is_told() {
    let at = pool(&[
        r#"{"id":1,"result":[[],"01020304",8],"error":null}"#,
        r#"{"id":2,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#,
        r#"{"id":3,"result":true,"error":null}"#,
        r#"{"id":null,"method":"mining.set_difficulty","params":[0.0000001]}"#,
        NOTIFY,
    ])
    .await;
    let miner = Miner::start(config(at)).unwrap();
    let stats = Arc::clone(miner.stats());
    let mut meter = RateMeter::new(&stats);
    // Hashes are counted a batch at a time: the first shares may be answered before the first batch is done.
    while stats.accepted() < 2 || stats.rejected() < 2 || stats.hashes() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(stats.connected() && stats.connections() == 1 && stats.hashes() > 0);
    assert_eq!(stats.difficulty_raw(), 429);
    assert!(meter.per_second(&stats) > 0);
    miner.stop().await;
    assert_eq!(stats.refused(), None);
}

#[tokio::test]
async fn a_user_that_the_pool_does_not_want_is_not_tried_again() {
    let at = pool(&[r#"{"id":3,"result":null,"error":[24,"username must be ADDRESS.worker",null]}"#]).await;
    let miner = Miner::start(config(at)).unwrap();
    let stats = Arc::clone(miner.stats());
    while stats.refused().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stats.refused(), Some("username must be ADDRESS.worker"));
    miner.stop().await;
}

#[tokio::test]
async fn a_connection_that_ends_is_made_again() {
    let at = pool(&["garbage"]).await;
    let miner = Miner::start(config(at)).unwrap();
    while miner.stats().connections() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    miner.stop().await;
}
