use proptest::prelude::*;

use super::*;
use crate::stratum::fixtures::{
    ADDRESS, Bench, EASY, HARD, NOW, SHARE, authorize, config, job, new_session, raw, shown, submit,
    submit_with, template,
};

/// What is said, and what each effect of it begins with.
fn check(bench: &mut Bench, line: &str, expected: &[&str]) {
    let out = bench.say(line);
    let fits = out.len() == expected.len() && out.iter().zip(expected).all(|(o, e)| o.contains(e));
    assert!(fits, "{line}\n  gives   {out:#?}\n  and not {expected:#?}");
}

fn ok(id: u64) -> String {
    format!("{{\"id\":{id},\"result\":true,\"error\":null}}")
}

fn refused(id: u64, code: u8, text: &str) -> String {
    format!("{{\"id\":{id},\"result\":null,\"error\":[{code},\"{text}\",null]}}")
}

const SUBSCRIBE: &str = r#"{"id":1,"method":"mining.subscribe","params":["test"]}"#;

#[test]
fn the_usual_way_to_work() {
    let mut bench = Bench::new();
    let first = job(&bench.maker, 1, HARD);
    assert!(bench.session.handle_job(&first).is_empty());
    check(&mut bench, SUBSCRIBE, &[r#""07000001",8],"error":null}"#]);
    // The difficulty stands before the job that it applies to, and the first job is clean.
    check(&mut bench, &authorize(2), &[&ok(2), "mining.set_difficulty", r#""6553f100",true]}"#]);
    check(&mut bench, &submit(3, "1", 0), &["credit rig 1 92233720368547758081"]);
    assert_eq!(bench.session.info().workers, [format!("{ADDRESS}.rig")]);
    assert_eq!((bench.session.info().shares_accepted, bench.session.info().shares_rejected), (1, 0));
    assert!(bench.session.is_authorized());
}

#[test]
fn authorising_may_come_before_subscribing_and_a_job_after_both() {
    let mut bench = Bench::new();
    check(&mut bench, &authorize(1), &[&ok(1)]);
    check(&mut bench, SUBSCRIBE, &["mining.notify"]);
    let job = job(&bench.maker, 1, HARD);
    let out = shown(&bench.session.handle_job(&job));
    assert!(out[0].contains("mining.set_difficulty") && out[1].contains("mining.notify") && out.len() == 2);
}

#[test]
fn the_difficulty_stays_while_there_is_no_work() {
    let mut config = config(SHARE);
    config.vardiff.start = raw(1 << 40);
    config.vardiff.max = raw(1 << 40);
    let mut bench = Bench::with(config);
    check(&mut bench, SUBSCRIBE, &["07000001"]);
    check(&mut bench, &authorize(2), &[&ok(2)]);
    for n in 1..=100 {
        assert!(bench.session.handle_tick(NOW.plus_ms(n * 10_000)).is_empty());
    }
    let job = job(&bench.maker, 1, HARD);
    let out = shown(&bench.session.handle_job(&job));
    assert!(out[0].contains(r#""params":[256]"#), "{out:?}");
}

#[test]
fn every_request_is_answered() {
    let (mut bench, _) = Bench::working(HARD);
    check(&mut bench, r#"{"id":1,"method":"mining.ping"}"#, &[r#""result":"pong""#]);
    check(&mut bench, r#"{"id":2,"method":"client.get_version"}"#, &[r#""result":"adit/test""#]);
    check(
        &mut bench,
        r#"{"id":3,"method":"mining.extranonce.subscribe"}"#,
        &[&refused(3, 20, "method not found")],
    );
    check(
        &mut bench,
        r#"{"id":4,"method":"mining.submit","params":[]}"#,
        &[&refused(4, 20, "bad parameters")],
    );
    check(&mut bench, r#"{"id":5,"result":true,"error":null}"#, &[]);
    check(&mut bench, r#"{"id":6,"method":"mining.suggest_difficulty","params":[8]}"#, &[&ok(6)]);
    check(&mut bench, "garbage", &["not a JSON object", "close: not a JSON object"]);
}

#[test]
fn only_an_address_of_this_network_is_authorised() {
    let mut bench = Bench::new();
    let authorize = |user: &str| format!(r#"{{"id":1,"method":"mining.authorize","params":["{user}","x"]}}"#);
    check(&mut bench, &authorize("worker"), &[&refused(1, 24, "username must be ADDRESS.worker")]);
    check(
        &mut bench,
        &authorize("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        &[&refused(1, 24, "address is for another network")],
    );
    assert!(!bench.session.is_authorized());
    for n in 0..WORKERS_MAX {
        check(&mut bench, &authorize(&format!("{ADDRESS}.{n}")), &[&ok(1)]);
    }
    check(&mut bench, &authorize(&format!("{ADDRESS}.0")), &[&ok(1)]);
    check(
        &mut bench,
        &authorize(&format!("{ADDRESS}.x")),
        &[&refused(1, 24, "too many workers on one connection")],
    );
}

#[test]
fn a_share_is_refused_with_the_code_of_its_rule() {
    let mut fresh = Bench::new();
    check(&mut fresh, &submit(1, "1", 0), &[&refused(1, 25, "not subscribed")]);
    let (mut bench, job) = Bench::working(HARD);
    let rig = format!("{ADDRESS}.rig");
    let with = |en2: &str, ntime: u32, bits: &str| submit_with(9, &rig, &job, en2, ntime, 0, bits);
    check(
        &mut bench,
        &submit_with(9, "other", &job, "", 0, 0, ""),
        &[&refused(9, 24, "unauthorized worker")],
    );
    let row = format!("refused {rig}");
    check(&mut bench, &submit(9, "ffff", 0), &[&refused(9, 21, "job not found"), &row]);
    check(
        &mut bench,
        &with("00", 1_700_000_000, ""),
        &[&refused(9, 20, "extranonce2 must have 8 bytes"), &row],
    );
    check(&mut bench, &with("0000000000000000", 5, ""), &[&refused(9, 20, "ntime too old"), &row]);
    check(&mut bench, &with("0000000000000000", u32::MAX, ""), &[&refused(9, 20, "ntime too new"), &row]);
    check(
        &mut bench,
        &with("0000000000000000", 1_700_000_000, "00000001"),
        &[&refused(9, 20, "version bits outside the mask"), &row],
    );
    check(&mut bench, &submit(9, &job, 0), &["credit"]);
    check(&mut bench, &submit(9, &job, 0), &[&refused(9, 22, "duplicate share"), &row]);
    assert_eq!(bench.session.info().shares_rejected, 7);
}

#[test]
fn the_same_share_in_another_spelling_is_the_same_share() {
    let (mut bench, job) = Bench::working(HARD);
    let rig = format!("{ADDRESS}.rig");
    let line = submit_with(1, &rig, &job, "00000000000000ee", 1_700_000_000, 0xabcd, "");
    check(&mut bench, &line, &["credit"]);
    for spelled in [line.replace("ee\"", "eE\""), line.replace("ee\"", "EE\""), line.replace("abcd", "ABcd")]
    {
        assert_ne!(spelled, line);
        check(&mut bench, &spelled, &["[22,", "refused"]);
    }
}

#[test]
fn jobs_are_clean_exactly_when_the_parent_changes() {
    let (mut bench, _) = Bench::working(HARD);
    let mut next = |prev: u8, height: u32| {
        let job = bench.maker.make(&template(prev, height, HARD)).unwrap();
        let out = shown(&bench.session.handle_job(&job));
        assert_eq!(out.len(), 1, "the difficulty did not change: {out:?}");
        out[0].ends_with("true]}")
    };
    assert!(!next(1, 101));
    assert!(next(2, 102));
    // Another parent of the same height, and a lower one, as a reorganisation brings.
    assert!(next(3, 102));
    assert!(next(4, 100));
    assert!(!next(4, 100));
    assert!(next(3, 102));
}

#[test]
fn a_job_of_an_older_parent_is_stale_and_one_of_this_parent_is_not() {
    let (mut bench, first) = Bench::working(HARD);
    let same = job(&bench.maker, 1, HARD);
    bench.session.handle_job(&same);
    check(&mut bench, &submit(1, &first, 0), &["credit"]);
    let other = job(&bench.maker, 2, HARD);
    bench.session.handle_job(&other);
    check(&mut bench, &submit(2, &first, 1), &["[21,\"stale\"", "refused"]);
    // Back to the first parent: its jobs count again, and what was accepted is still known.
    let back = job(&bench.maker, 1, HARD);
    bench.session.handle_job(&back);
    check(&mut bench, &submit(3, &first, 0), &["[22,", "refused"]);
    check(&mut bench, &submit(3, &first, 1), &["credit"]);
}

#[test]
fn a_minute_of_jobs_is_known_and_older_ones_are_not() {
    let (mut bench, first) = Bench::working(HARD);
    for _ in 1..JOBS_MAX {
        let job = job(&bench.maker, 1, HARD);
        bench.session.handle_job(&job);
    }
    check(&mut bench, &submit(1, &first, 0), &["credit"]);
    let job = job(&bench.maker, 1, HARD);
    bench.session.handle_job(&job);
    check(&mut bench, &submit(1, &first, 1), &["[21,\"job not found\"", "refused"]);
}

#[test]
fn a_block_goes_out_before_anything_else_even_when_the_share_is_refused() {
    let (mut bench, first) = Bench::working(EASY);
    let nonce = (0..).find(|n| bench.say(&submit(1, &first, *n))[0].starts_with("block")).unwrap();
    check(&mut bench, &submit(2, &first, nonce), &["block 1", "[22,", "refused"]);
    let other = job(&bench.maker, 2, EASY);
    bench.session.handle_job(&other);
    check(&mut bench, &submit(3, &first, nonce), &["block 1", "[21,\"stale\"", "refused"]);
    // A name that nobody authorised is owed nothing, but its block is as good as any.
    let other = submit_with(4, "somebody", &first, "0000000000000001", 1_700_000_000, nonce, "");
    check(&mut bench, &other, &["block 1", "[24,"]);
}

#[test]
fn a_found_block_says_its_height_in_the_credit() {
    let (mut bench, job) = Bench::working(EASY);
    let found = (0..).find_map(|n| {
        let out = bench.line(&submit(1, &job, n), NOW);
        out.into_iter().rev().find_map(|e| match e {
            Effect::Credit { share, .. } if share.block_height.is_some() => Some(share),
            _ => None,
        })
    });
    assert_eq!(found.unwrap().block_height.unwrap().to_u32(), 101);
}

#[test]
fn version_rolling_is_what_both_sides_can() {
    let configure = |mask: &str| {
        format!(
            r#"{{"id":7,"method":"mining.configure","params":[["version-rolling"],{{"version-rolling.mask":"{mask}","version-rolling.min-bit-count":32}}]}}"#
        )
    };
    let (mut bench, job) = Bench::working(HARD);
    let rig = format!("{ADDRESS}.rig");
    let with = |bits: &str| submit_with(1, &rig, &job, "0000000000000009", 1_700_000_000, 7, bits);
    check(
        &mut bench,
        &configure("ffffffff"),
        &[r#""version-rolling":true,"version-rolling.mask":"1fffe000""#],
    );
    check(&mut bench, &with("1fffe000"), &["credit"]);
    check(&mut bench, &with("20000000"), &["[20,", "refused"]);
    // Again, with fewer bits: it takes effect at once.
    check(&mut bench, &configure("0000e000"), &[r#""version-rolling.mask":"0000e000""#]);
    check(&mut bench, &with("00010000"), &["[20,", "refused"]);
    check(&mut bench, &with("00002000"), &["credit"]);
    check(&mut bench, &configure("00000001"), &[r#"{"version-rolling":false}"#]);
}

#[test]
fn configure_answers_for_each_extension_that_it_is_asked_for() {
    // BIP310: without a value the extension cannot be had, but its row must stand in the answer.
    for (options, least, difficulty) in [
        (r#"{"minimum-difficulty.value":64}"#, true, 64),
        (r#"{"minimum-difficulty.value":"64"}"#, false, 0),
        (r#"{"minimum-difficulty.value":-1}"#, false, 0),
        ("{}", false, 0),
    ] {
        let mut bench = moving();
        // Before anything was subscribed to, and again after it.
        for _ in 0..2 {
            let line = format!(
                r#"{{"id":7,"method":"mining.configure","params":[["minimum-difficulty","version-rolling","subscribe-extranonce","info"],{options}]}}"#
            );
            let out = bench.say(&line);
            let answer = format!(
                r#"{{"info":false,"minimum-difficulty":{least},"subscribe-extranonce":false,"version-rolling":true,"version-rolling.mask":"1fffe000"}}"#
            );
            assert!(out[0].contains(&answer), "{out:?}");
        }
        assert_eq!(bench.session.info().difficulty.to_raw() >> 32, difficulty);
    }
}

#[test]
fn version_bits_without_configure_are_judged_and_enabled() {
    let (mut bench, job) = Bench::working(HARD);
    let rig = format!("{ADDRESS}.rig");
    let with = |bits: &str| submit_with(1, &rig, &job, "0000000000000009", 1_700_000_000, 7, bits);
    check(&mut bench, &with("00002000"), &["credit"]);
    check(&mut bench, &with("00002001"), &["[20,", "refused"]);
}

fn moving() -> Bench {
    let mut config = config(SHARE);
    config.vardiff.max = raw(1 << 40);
    config.vardiff.start = raw(1 << 8);
    let mut bench = Bench::with(config);
    let first = job(&bench.maker, 1, HARD);
    bench.session.handle_job(&first);
    bench.say(SUBSCRIBE);
    bench.say(&authorize(2));
    bench
}

fn suggest(number: &str) -> String {
    format!(r#"{{"id":3,"method":"mining.suggest_difficulty","params":[{number}]}}"#)
}

#[test]
fn a_new_difficulty_comes_with_a_new_job_and_old_jobs_keep_the_lower_one() {
    let mut bench = moving();
    let difficulties = |bench: &Bench| -> Vec<u64> {
        bench.session.state.jobs.iter().map(|j| j.difficulty.to_raw()).collect()
    };
    check(&mut bench, &suggest("4096"), &[&ok(3), "[256]", "false]}"]);
    assert_eq!(difficulties(&bench), [1 << 8, 1 << 40]);
    // Down: a miner that applies it to the job it has is not refused for it.
    let out = bench.say_at(&suggest("1e-9"), NOW.plus_ms(SUGGESTION_EVERY_MS));
    assert_eq!(out.len(), 3);
    assert_eq!(difficulties(&bench), [4, 4, 4]);
}

#[test]
fn suggestions_are_heard_now_and_then_and_have_no_effect_twice() {
    let mut bench = moving();
    check(&mut bench, &suggest("4096"), &[&ok(3), "set_difficulty", "notify"]);
    check(&mut bench, &suggest("1"), &[&ok(3)]);
    check(&mut bench, r#"{"id":4,"method":"mining.authorize","params":["bad"]}"#, &["[24,"]);
}

#[test]
fn silence_lowers_the_difficulty() {
    let mut bench = moving();
    assert!(bench.session.handle_tick(NOW.plus_ms(29_999)).is_empty());
    let out = shown(&bench.session.handle_tick(NOW.plus_ms(30_000)));
    assert!(out[0].contains("set_difficulty") && out[1].contains("false]}"), "{out:?}");
    assert!(Bench::new().session.handle_tick(NOW.plus_ms(30_000)).is_empty());
}

#[test]
fn an_asic_gets_no_less_than_it_bears() {
    let floors =
        [("cgminer/4.12", Difficulty::ONE.to_raw()), ("NiceHash/1.0", 524_288 << 32), ("cpuminer", 1 << 8)];
    for (agent, floor) in floors {
        let mut config = config(SHARE);
        config.vardiff.max = Difficulty::MAX;
        config.vardiff.start = raw(1 << 8);
        let mut bench = Bench::with(config);
        bench.say(&format!(r#"{{"id":1,"method":"mining.subscribe","params":["{agent}"]}}"#));
        assert_eq!(bench.session.info().difficulty.to_raw(), floor, "{agent}");
        assert_eq!(bench.session.info().user_agent, agent);
    }
    let mut bench = moving();
    check(
        &mut bench,
        r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":2}]}"#,
        &[r#"{"minimum-difficulty":true}"#, "[2]", "notify"],
    );
}

#[test]
fn a_difficulty_in_the_password_is_a_wish() {
    let mut config = config(SHARE);
    config.vardiff.max = Difficulty::ONE;
    let mut bench = Bench::with(config);
    let first = job(&bench.maker, 1, HARD);
    bench.session.handle_job(&first);
    bench.say(SUBSCRIBE);
    let line = authorize(2).replace("\"x\"", "\"d=0.5\"");
    check(&mut bench, &line, &[&ok(2), "[0.5]", "notify"]);
}

#[test]
fn after_a_panic_the_session_goes_on_from_the_store() {
    let (mut bench, job) = Bench::working(HARD);
    check(&mut bench, &submit(1, &job, 0), &["credit rig 1 92233720368547758081"]);
    let (info, state) = (bench.session.info(), bench.session.state.clone());
    // What a panic leaves behind in memory is not what was saved.
    bench.session.state.accepted = 99;
    bench.session.state.extranonce1 = [0; 4];
    bench.session.seen = SeenShares::default();
    bench.session.remember = Some((job_prev(), job_prev()));
    assert!(bench.session.restore());
    assert_eq!(bench.session.info(), info);
    assert_eq!(bench.session.state, state);
    check(&mut bench, &submit(2, &job, 0), &["[22,", "refused"]);
    // The next submission's number goes on.
    check(&mut bench, &submit(3, &job, 1), &["credit rig 1 92233720368547758082"]);
    bench.session.handle_end(NOW);
    assert!(!bench.session.restore());
}

fn job_prev() -> bitcoin::BlockHash {
    use bitcoin::hashes::Hash;
    bitcoin::BlockHash::all_zeros()
}

#[test]
fn a_miner_that_comes_back_has_its_session_again() {
    let (mut bench, job) = Bench::working(HARD);
    check(&mut bench, &submit(1, &job, 0), &["credit"]);
    bench.reconnect(2, NOW);
    let latest = crate::stratum::fixtures::job(&bench.maker, 1, HARD);
    bench.session.handle_job(&latest);
    assert!(bench.store.has_extranonce1([7, 0, 0, 1]));
    let resume = r#"{"id":1,"method":"mining.subscribe","params":["test","token1"]}"#;
    check(&mut bench, resume, &[r#"["mining.notify","token1"]],"07000001",8]"#]);
    check(&mut bench, &authorize(2), &[&ok(2), "set_difficulty", "notify"]);
    check(&mut bench, &submit(3, &job, 0), &["[22,", "refused"]);
    check(&mut bench, &submit(4, &job, 1), &["credit"]);
    // A panic after that loses nothing of what was taken over.
    assert!(bench.session.restore());
    check(&mut bench, &submit(5, &job, 0), &["[22,", "refused"]);
    assert!(!bench.store.has_extranonce1([7, 0, 0, 2]));
}

#[test]
fn a_session_is_resumed_once_in_time_and_by_its_token_only() {
    let resumed = |token: &str, later_ms: u64| {
        let (mut bench, _) = Bench::working(HARD);
        bench.reconnect(2, NOW);
        let line = format!(r#"{{"id":1,"method":"mining.subscribe","params":["test","{token}"]}}"#);
        bench.say_at(&line, NOW.plus_ms(later_ms))[0].contains("07000001")
    };
    assert!(resumed("token1", RETIRED_MS_MAX - 1));
    assert!(!resumed("token1", RETIRED_MS_MAX));
    assert!(!resumed("token2", 0));
    let (bench, _) = Bench::working(HARD);
    // A living session cannot be taken over.
    assert!(bench.store.resume("token1", NOW).is_none());
}

#[test]
fn the_store_keeps_no_more_retired_sessions_than_its_limit() {
    let (bench, _) = Bench::working(HARD);
    let snapshot = bench.store.load(1).unwrap();
    for id in 0..RETIRED_MAX as u64 + 5 {
        let mut one = snapshot.clone();
        one.state.id = id + 10;
        one.state.extranonce1 = u32::try_from(id).unwrap().to_be_bytes();
        bench.store.replace(&one);
        bench.store.retire(id + 10, NOW);
    }
    assert!(!bench.store.has_extranonce1(4u32.to_be_bytes()));
    assert!(bench.store.has_extranonce1(5u32.to_be_bytes()));
    assert_eq!(bench.store.infos().len(), 1);
}

#[test]
fn a_session_that_cannot_remember_more_ends() {
    let (mut bench, job) = Bench::working(HARD);
    let prev = bench.session.state.jobs[0].job.prev();
    for n in 0..crate::stratum::share::SEEN_MAX as u64 {
        use bitcoin::hashes::Hash;
        let mut bytes = [1u8; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        bench.session.seen.insert(prev, bitcoin::BlockHash::from_byte_array(bytes)).unwrap();
    }
    check(&mut bench, &submit(1, &job, 0), &["[20,", "close: more than 131072 shares"]);
}

#[test]
fn a_flood_of_what_is_invalid_ends_the_connection() {
    let (mut bench, _) = Bench::working(HARD);
    let closed = (1..5_000).find(|_| {
        let out = bench.say(&submit(1, "ffff", 0));
        out.last().unwrap() == "close: too many invalid requests"
    });
    assert_eq!(closed, Some(1_000));
}

#[test]
fn a_miner_that_only_fails_gets_its_work_again() {
    let (mut bench, _) = Bench::working(HARD);
    let resent = (0..100).find(|s| {
        bench.say_at(&submit(1, "ffff", 0), NOW.plus_ms(s * 1000)).iter().any(|l| l.contains("mining.notify"))
    });
    assert_eq!(resent, Some(60));
}

#[test]
fn a_share_that_the_books_refuse_moves_to_the_refused() {
    let (mut bench, job) = Bench::working(HARD);
    bench.say(&submit(1, &job, 0));
    bench.session.handle_uncredited();
    let info = bench.session.info();
    assert_eq!((info.shares_accepted, info.shares_rejected), (0, 1));
    assert_eq!(bench.store.infos(), [info]);
}

#[test]
fn reasons_to_close_have_their_words() {
    let words = [
        (CloseReason::Line(LineError::TooLong), "line too long"),
        (CloseReason::Invalid, "too many invalid requests"),
        (CloseReason::Gone, "session ended"),
    ];
    for (reason, text) in words {
        assert_eq!(reason.to_string(), text);
    }
    let not_a_coinbase = SessionFault::from(AssembleError::NotACoinbase);
    assert_eq!(not_a_coinbase.to_string(), "a found block is lost: the first transaction is not a coinbase");
}

#[test]
fn two_sessions_of_one_store_do_not_meet() {
    let mut bench = Bench::new();
    bench.say(SUBSCRIBE);
    let (config, maker, store) = (bench.config.clone(), bench.maker.clone(), bench.store.clone());
    let other = Session::open(config, maker, store, new_session(2), NOW);
    assert_eq!(bench.store.infos(), [bench.session.info(), other.info()]);
    assert_eq!(bench.store.infos_after(None, 1), [bench.session.info()]);
    assert_eq!(bench.store.infos_after(Some(bench.session.info().id), 9), [other.info()]);
    assert_eq!(bench.store.infos_after(Some(other.info().id), 9), []);
}

proptest! {
    /// Whatever is said in whatever order: no panic, and every credit names an authorised worker and a known job's difficulty.
    #[test]
    fn any_conversation_ends_well(words in prop::collection::vec(0usize..12, 1..60)) {
        let mut bench = Bench::new();
        let jobs: Vec<_> = (1..4).map(|prev| job(&bench.maker, prev, EASY)).collect();
        let lines = [
            SUBSCRIBE.to_owned(), authorize(1), submit(1, "1", 0), submit(2, "2", 1), submit(3, "3", 2),
            suggest("1e300"), suggest("5e-324"), "{}".to_owned(), "\u{0}".to_owned(),
            r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"00000000"}]}"#.to_owned(),
        ];
        let mut now = NOW;
        for word in words {
            now = now.plus_ms(7_000);
            let out = match lines.get(word) {
                Some(line) => bench.line(line, now),
                None if word == 10 => bench.session.handle_tick(now),
                None => bench.session.handle_job(&jobs[word % 3]),
            };
            for effect in &out {
                if let Effect::Credit { share, .. } = effect {
                    prop_assert!(bench.session.is_authorized());
                    prop_assert_eq!(&share.address, ADDRESS);
                }
            }
            let saved = bench.store.load(1).unwrap();
            prop_assert_eq!(&saved.state, &bench.session.state);
            prop_assert_eq!(&saved.seen, &bench.session.seen);
        }
    }
}
