use adit_domain::consensus::Coin;
use adit_domain::units::Height;
use bitcoin::blockdata::constants::genesis_block;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, Witness};

use super::*;

/// Refuses an input whose coin has an empty script, panics at one with an amount of 0.
struct Fussy;

impl ScriptVerifier for Fussy {
    fn verify_input(&self, spend: &Spend<'_>, input: usize, _flags: ScriptFlags) -> Result<(), ScriptError> {
        let prevout = &spend.prevouts[input];
        assert_ne!(prevout.value, Amount::ZERO);
        if prevout.script_pubkey.is_empty() { Err(ScriptError::EvalFalse) } else { Ok(()) }
    }
}

fn coin(sat: u64, script: &[u8]) -> Coin {
    let output =
        TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(script.to_vec()) };
    Coin { output, height: Height::new(1), is_coinbase: false }
}

fn block_of(rows: &[Vec<Coin>]) -> (Arc<ParsedBlock>, BlockUndo) {
    let mut block = genesis_block(bitcoin::Network::Regtest);
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    for row in rows {
        let mut tx: Transaction = block.txdata[0].clone();
        tx.input = vec![input.clone(); row.len()];
        block.txdata.push(tx);
    }
    (Arc::new(ParsedBlock::new(block)), BlockUndo { spent: rows.to_vec() })
}

fn verdict(rows: &[Vec<Coin>]) -> Result<(), Failure> {
    let workers = Workers::start(3).unwrap();
    let verifier: Arc<dyn ScriptVerifier> = Arc::new(Fussy);
    let (block, undo) = block_of(rows);
    let judge = || Ok(Judged { undo, flags: Some(ScriptFlags::NONE) });
    let run = ScriptRun::start(&workers, &verifier, &block, judge);
    let verdict = run.wait();
    assert!(run.is_done());
    assert!(run.take_undo().is_some() && run.take_undo().is_none());
    verdict
}

#[test]
fn every_input_is_looked_at() {
    assert_eq!(verdict(&[]), Ok(()));
    assert_eq!(verdict(&vec![vec![coin(1, b"x"); 3]; 1000]), Ok(()));
}

#[test]
fn of_all_failures_the_first_is_named() {
    let mut rows = vec![vec![coin(1, b"x"); 3]; 1000];
    rows[999][2] = coin(1, b"");
    let failure =
        |tx, input| Err(Failure::Script(ScriptFailure { tx, input, error: ScriptError::EvalFalse }));
    assert_eq!(verdict(&rows), failure(1000, 2));
    rows[500][1] = coin(1, b"");
    rows[400][2] = coin(1, b"");
    assert_eq!(verdict(&rows), failure(401, 2));
}

#[test]
fn a_panic_is_a_fault_of_ours_and_costs_no_thread() {
    assert_eq!(verdict(&[vec![coin(0, b"x")]]), Err(Failure::Panicked));
}

/// A run of a block with one input, judged so.
fn judged(
    judge: impl FnOnce() -> Result<Judged, Refused<BlockError>> + Send + 'static,
) -> Result<(), Failure> {
    let workers = Workers::start(1).unwrap();
    let verifier: Arc<dyn ScriptVerifier> = Arc::new(Fussy);
    ScriptRun::start(&workers, &verifier, &block_of(&[vec![coin(1, b"x")]]).0, judge).wait()
}

#[test]
fn what_the_rules_say_is_the_verdict() {
    let refused = Refused::Invalid(BlockError::CoinbaseAmount);
    let of_rules = refused.clone();
    assert_eq!(judged(move || Err(of_rules)), Err(Failure::Rules(refused)));
    assert_eq!(judged(|| panic!("on purpose")), Err(Failure::Panicked));
}

#[test]
fn where_the_rules_ask_for_no_scripts_none_runs() {
    let workers = Workers::start(1).unwrap();
    let verifier: Arc<dyn ScriptVerifier> = Arc::new(Fussy);
    let (block, undo) = block_of(&[vec![coin(0, b"")]]);
    let run = ScriptRun::start(&workers, &verifier, &block, || Ok(Judged { undo, flags: None }));
    assert_eq!(run.wait(), Ok(()));
}

#[test]
fn cancelled_work_ends_early() {
    let workers = Workers::start(1).unwrap();
    let verifier: Arc<dyn ScriptVerifier> = Arc::new(Fussy);
    let (block, undo) = block_of(&[vec![coin(0, b"")]]);
    // The worker is held until the run is cancelled.
    let (go, gone) = crossbeam_channel::bounded::<()>(0);
    drop(workers.urgent(move || gone.recv()));
    let run =
        ScriptRun::start(&workers, &verifier, &block, || Ok(Judged { undo, flags: Some(ScriptFlags::NONE) }));
    run.cancel();
    go.send(()).unwrap();
    assert_eq!(run.wait(), Ok(()));
}

#[test]
fn jobs_that_wait_do_not_keep_the_pool_alive() {
    let workers = Workers::start(1).unwrap();
    let scripts = workers.scripts();
    drop(workers.urgent(move || scripts.push(|| {})));
    drop(workers);
}

#[test]
fn urgent_jobs_answer_and_a_panic_closes_the_channel() {
    let workers = Workers::start(0).unwrap();
    assert_eq!(workers.urgent(|| 7).recv(), Ok(7));
    assert!(workers.urgent(|| -> u8 { panic!("on purpose") }).recv().is_err());
    assert_eq!(workers.urgent(|| 8).recv(), Ok(8));
}
