use std::collections::VecDeque;

use actix::{Actor, Context, Handler};
use adit_domain::payout::CreditError;
use adit_domain::units::{Difficulty, UnixMillis};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::*;

/// Answers what it was told to.
struct Books(VecDeque<Result<(), CreditError>>);
impl Actor for Books {
    type Context = Context<Self>;
}
impl Handler<CreditShare> for Books {
    type Result = Result<(), CreditError>;
    fn handle(&mut self, _msg: CreditShare, _ctx: &mut Context<Self>) -> Self::Result {
        self.0.pop_front().unwrap()
    }
}

fn share() -> ShareCredit {
    ShareCredit {
        share_hash: BlockHash::all_zeros(),
        prev: BlockHash::all_zeros(),
        submission: 1,
        address: "a".to_owned(),
        worker: String::new(),
        difficulty: Difficulty::ONE,
        at: UnixMillis::default(),
        block_height: None,
    }
}

async fn check(answer: Result<(), CreditError>, line: &str, credited: bool) {
    let books = Books(VecDeque::from([answer])).start().recipient();
    let settled = credit(books, RequestId::NULL, share()).await;
    assert!(settled.line.contains(line), "{}", settled.line);
    assert_eq!(settled.credited, credited);
}

#[actix::test]
async fn a_miner_hears_true_only_of_what_is_credited() {
    check(Ok(()), "\"result\":true", true).await;
    check(Err(CreditError::Duplicate), "[22,\"duplicate share\",null]", false).await;
    check(Err(CreditError::Name), "[20,\"internal error\",null]", false).await;
    check(Err(CreditError::Storage("gone".to_owned())), "[20,\"internal error\",null]", false).await;
}
