use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

struct Counted(AtomicU64);

impl Entropy for Counted {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// A proxy that takes one connection, notes what it is asked for, and answers itself.
async fn proxy_once(listener: TcpListener) -> (Vec<u8>, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    let mut methods = vec![0; usize::from(head[1])];
    stream.read_exact(&mut methods).await.unwrap();
    let mut login = Vec::new();
    if methods.contains(&2) {
        stream.write_all(&[5, 2]).await.unwrap();
        for _ in 0..2 {
            // A version before the name; a length before each.
            if login.is_empty() {
                stream.read_u8().await.unwrap();
            }
            let mut word = vec![0; usize::from(stream.read_u8().await.unwrap())];
            stream.read_exact(&mut word).await.unwrap();
            login.extend(word);
            login.push(b' ');
        }
        stream.write_all(&[1, 0]).await.unwrap();
    } else {
        stream.write_all(&[5, 0]).await.unwrap();
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [5, 1, 0, 3], "a name, to be looked up by the proxy");
    let mut name = vec![0; usize::from(stream.read_u8().await.unwrap())];
    stream.read_exact(&mut name).await.unwrap();
    stream.read_u16().await.unwrap();
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    (name, login)
}

async fn through(target: &str, isolates: bool) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let served = tokio::spawn(proxy_once(listener));
    let isolates = isolates.then(|| -> Arc<dyn Entropy> { Arc::new(Counted(AtomicU64::new(7))) });
    let net = Proxied { proxy: Some(at), onion: Some(at), isolates };
    let mut stream = net.connect(target).await.unwrap();
    let mut said = [0; 5];
    stream.read.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hello");
    let (name, login) = served.await.unwrap();
    (String::from_utf8(name).unwrap(), String::from_utf8(login).unwrap())
}

#[tokio::test]
async fn a_proxy_looks_names_up() {
    let check = async |target: &str, isolates: bool, name: &str, login: &str| {
        assert_eq!(through(target, isolates).await, (name.to_owned(), login.to_owned()), "{target}");
    };
    check("node.invalid:8333", false, "node.invalid", "").await;
    check("node.invalid:8333", true, "node.invalid", "7 8 ").await;
    check("abc.onion:8333", true, "abc.onion", "7 8 ").await;
}

#[tokio::test]
async fn hidden_services_are_not_looked_for_without_a_proxy() {
    let net = Proxied { proxy: None, onion: None, isolates: None };
    let error = net.connect("abc.onion:8333").await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    // What has no proxy goes directly, as what listens does.
    let bound = net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(net.connect(&bound.local.to_string()).await.is_ok());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let net = Proxied { proxy: Some(at), onion: None, isolates: None };
    assert!(net.connect("8.8.8.8:1").await.is_err(), "nobody goes past a proxy that is away");
    assert!(net.connect(&bound.local.to_string()).await.is_ok(), "but to this machine itself");
}
