use tokio::io::AsyncWriteExt;

use super::*;

/// What is written in these pieces, and the lines that come of it.
async fn check(pieces: &[&[u8]], expected: &[&[u8]]) {
    let (mut near, far) = tokio::io::duplex(64);
    let mut reader = LineReader::new(far);
    let write = async move {
        for piece in pieces {
            near.write_all(piece).await.unwrap();
        }
    };
    let read = async {
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().await.unwrap() {
            lines.push(line);
            if lines.len() == expected.len() + 1 {
                break;
            }
        }
        lines
    };
    let (_, lines) = tokio::join!(write, read);
    let lines: Vec<&[u8]> = lines.iter().map(AsRef::as_ref).collect();
    assert_eq!(lines, expected);
}

#[actix::test]
async fn lines_come_out_however_they_are_cut() {
    check(&[b"one\ntwo\n"], &[b"one", b"two"]).await;
    check(&[b"o", b"n", b"e\r", b"\ntw", b"o\n"], &[b"one", b"two"]).await;
    check(&[b"\n\r\n  \none\n\n"], &[b"one"]).await;
    // What has no end is no line.
    check(&[b"one\ntwo"], &[b"one"]).await;
    check(&[], &[]).await;
}

#[actix::test]
async fn the_longest_line_passes_and_a_longer_one_is_cut_for_the_codec_to_refuse() {
    let longest = vec![b'x'; LINE_BYTES_MAX];
    check(&[&longest, b"\n", b"y\n"], &[&longest, b"y"]).await;
    let longer = vec![b'x'; LINE_BYTES_MAX + 1];
    check(&[&longer, b"\n"], &[&longer]).await;
    let (mut near, far) = tokio::io::duplex(LINE_BYTES_MAX * 4);
    near.write_all(&vec![b'x'; LINE_BYTES_MAX * 3]).await.unwrap();
    // Without an end in sight.
    assert_eq!(LineReader::new(far).next_line().await.unwrap().unwrap().len(), LINE_BYTES_MAX + 1);
}
