//! A program of the operator's that speaks with signing devices (`-signer`).
//!
//! Owns: how it is run and what of its answer is believed. It is given nothing but its own arguments, and one word.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ctx::{Ctx, off_thread};
use crate::error::RpcError;
use crate::json::{Json, object, read};
use crate::params::Params;
use crate::table::Category::Signer;
use crate::table::{Method, method};

pub(super) const METHODS: &[Method] = &[method(
    "enumeratesigners",
    Signer,
    &[],
    "The signing devices that the program of -signer finds, each once.",
    |c, p| Box::pin(enumerate_signers(c, p)),
)];

/// Bytes of its answer: a device takes some hundred.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// How long it may take: it asks devices, but no person.
const WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

async fn enumerate_signers(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let command = ctx.config.signer.clone();
    if command.is_empty() {
        return Err(RpcError::misc("Error: restart bitcoind with -signer=<cmd>"));
    }
    off_thread(move || {
        let answer = ask(&command, "enumerate").map_err(RpcError::misc)?;
        let signers = signers(&command, &answer).map_err(RpcError::misc)?;
        Ok(object([("signers", Json::List(signers))]))
    })
    .await
}

/// Runs it with a word behind its arguments; the first line that it writes.
fn ask(command: &str, word: &str) -> Result<Json, String> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let child = Command::new(program)
        .args(words)
        .arg(word)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("execve failed: {error}"))?;
    let (code, said, complaint) = heard(child).map_err(|error| format!("{program}: {error}"))?;
    if code != Some(0) {
        let code = code.unwrap_or(-1);
        return Err(format!(
            "RunCommandParseJSON error: process({command} {word}) returned {code}: {complaint}\n"
        ));
    }
    read(said.as_bytes()).ok_or_else(|| format!("Unable to parse JSON: {said}"))
}

/// Its exit code, and the first line of each of what it wrote. It is ended where it takes too long.
fn heard(mut child: Child) -> io::Result<(Option<i32>, String, String)> {
    let (said, complaint) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let said = scope.spawn(|| first_line(said));
        let complaint = scope.spawn(|| first_line(complaint));
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if began.elapsed() > WITHIN {
                child.kill()?;
                break child.wait()?;
            }
            thread::sleep(LOOK_EVERY);
        };
        let line = |thread: thread::ScopedJoinHandle<'_, io::Result<String>>| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("reading panicked")))
        };
        Ok((status.code(), line(said)?, line(complaint)?))
    })
}

fn first_line(from: Option<impl Read>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Each device once, by its key's fingerprint.
fn signers(command: &str, answer: &Json) -> Result<Vec<Json>, String> {
    let Json::List(found) = answer else {
        return Err(format!("'{command}' received invalid response, expected array of signers"));
    };
    let (mut seen, mut signers) = (Vec::new(), Vec::new());
    for signer in found {
        match signer.get("error") {
            None | Some(Json::Null) => {}
            Some(Json::Str(error)) => return Err(format!("'{command}' error: {error}")),
            Some(_) => return Err(format!("'{command}' error")),
        }
        let fingerprint = signer.get("fingerprint").filter(|value| !value.is_null());
        let missing = || format!("'{command}' received invalid response, missing signer fingerprint");
        let fingerprint = fingerprint.ok_or_else(missing)?.as_str().unwrap_or_default();
        if fingerprint.len() != 8 || !fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("'{command}' received invalid fingerprint, must be 8 hex characters"));
        }
        if seen.contains(&fingerprint) {
            continue;
        }
        seen.push(fingerprint);
        let name = signer.get("model").and_then(Json::as_str).unwrap_or_default();
        signers.push(object([
            ("fingerprint", Json::from(fingerprint.to_owned())),
            ("name", Json::from(name.to_owned())),
        ]));
    }
    Ok(signers)
}

#[cfg(test)]
mod tests;
