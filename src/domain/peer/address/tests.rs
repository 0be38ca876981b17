use super::*;

const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const I2P: &str = "c4gfnttsuwqomiygupdqqqyy5y5emnk5c73hrfvatri67prd7vyq.b32.i2p";

fn host(text: &str) -> Host {
    text.parse().unwrap()
}

#[test]
fn addresses_are_read_and_written_alike() {
    for text in ["1.2.3.4", "1233:3432:2434:2343:3234:2345:6546:4534", "2803:0:1234:abcd::1", ONION, I2P] {
        assert_eq!(host(text).to_string(), text);
    }
    assert_eq!(host("::ffff:1.2.3.4"), host("1.2.3.4"));
    let shown = |text: &str| NodeAddress { host: host(text), port: 8333 }.to_string();
    assert_eq!(shown("1.2.3.4"), "1.2.3.4:8333");
    assert_eq!(shown("2803::1"), "[2803::1]:8333");
}

#[test]
fn what_is_no_address_is_refused() {
    let off = ONION.replacen('p', "q", 1);
    for text in
        ["", "not_an_ip", "1.2.3", "example.com", "short.onion", "short.b32.i2p", "x.i2p", off.as_str()]
    {
        assert_eq!(text.parse::<Host>(), Err(HostError::NotAnAddress), "{text}");
    }
}

#[test]
fn each_belongs_to_a_network_and_to_a_group() {
    let check = |text: &str, network: Option<HostNetwork>, group: &[u8]| {
        assert_eq!((host(text).network(), host(text).group()), (network, group.to_vec()), "{text}");
    };
    check("1.2.3.4", Some(HostNetwork::Ipv4), &[1, 1, 2]);
    check("2002:0102:0304::1", Some(HostNetwork::Ipv4), &[1, 1, 2]);
    check("64:ff9b::102:304", Some(HostNetwork::Ipv4), &[1, 1, 2]);
    check("::ffff:0:102:304", Some(HostNetwork::Ipv4), &[1, 1, 2]);
    check("2001:0:9999:9999:9999:9999:fefd:fcfb", Some(HostNetwork::Ipv4), &[1, 1, 2]);
    check("2803:0:1234:abcd::1", Some(HostNetwork::Ipv6), &[2, 0x28, 0x03, 0, 0]);
    check("2001:470:abcd:9999::8888", Some(HostNetwork::Ipv6), &[2, 0x20, 0x01, 0x04, 0x70, 0xaf]);
    check(ONION, Some(HostNetwork::Onion), &[3, 0x7f]);
    check(I2P, Some(HostNetwork::I2p), &[4, 0x1f]);
    for text in [
        "127.0.0.1",
        "0.1.2.3",
        "10.1.1.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "2001:db8::1",
        "2001:10::1",
        "2001:20::1",
    ] {
        check(text, None, &[0]);
    }
    let cjdns = host("fc00:1:2:3:4:5:6:7").in_cjdns();
    assert_eq!((cjdns.network(), cjdns.group()), (Some(HostNetwork::Cjdns), vec![5, 0xfc, 0x0f]));
    assert_eq!(host("fd00::1").in_cjdns(), host("fd00::1"));
}

#[test]
fn the_first_form_has_room_for_ip_alone() {
    for text in ["1.2.3.4", "2803::1"] {
        assert_eq!(Host::from_v6_bytes(host(text).to_v6_bytes().unwrap()), Some(host(text)));
    }
    for text in [ONION, I2P] {
        assert_eq!(host(text).to_v6_bytes(), None);
    }
    let mut gone = [7; 16];
    for prefix in [ONION_V2_IN_V6, NAME_IN_V6] {
        gone[..6].copy_from_slice(&prefix);
        assert_eq!(Host::from_v6_bytes(gone), None);
    }
    for network in HostNetwork::ALL {
        assert_eq!(HostNetwork::named(network.name()), Some(network));
    }
}
