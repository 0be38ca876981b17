use super::*;

/// Fails now and then, as where there is no file descriptor left.
struct Faulty(u32);

impl Listener for Faulty {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        self.0 += 1;
        let remote = SocketAddr::from(([203, 0, 113, 1], u16::try_from(self.0).unwrap()));
        let fails = self.0.is_multiple_of(3);
        let accepted =
            Accepted { remote, open: Box::new(|| Err(io::Error::other("a test has no connection"))) };
        async move { if fails { Err(io::Error::other("no file descriptor left")) } else { Ok(accepted) } }
            .boxed()
    }
}

#[actix::test]
async fn who_listens_goes_on_after_an_error_and_until_it_is_broken_off() {
    tokio::time::pause();
    let mut ports = Vec::new();
    accept_all(Box::new(|| Ok(Box::new(Faulty(0)))), "tests", |accepted| {
        ports.push(accepted.remote.port());
        if ports.len() < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await;
    assert_eq!(ports, [1, 2, 4, 5, 7]);
    // A socket that does not open ends it at once.
    accept_all(Box::new(|| Err(io::Error::other("closed"))), "tests", |_| ControlFlow::Continue(())).await;
}

#[test]
fn a_port_of_ipv6_leaves_that_of_ipv4_free() {
    let Ok(six) = MachineNet.listen("[::]:0".parse().unwrap()) else {
        eprintln!("this machine has no IPv6: not looked at");
        return;
    };
    // Somebody else may have the port of IPv4 by chance; then there is nothing to see.
    let four = MachineNet.listen(SocketAddr::from(([0, 0, 0, 0], six.local.port())));
    let taken = std::net::TcpStream::connect(("127.0.0.1", six.local.port())).is_ok();
    assert!(four.is_ok() || taken);
}
