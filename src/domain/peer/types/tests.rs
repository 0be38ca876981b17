use super::*;

#[test]
fn each_kind_has_its_name_and_its_use() {
    // Name, whether it carries transactions, whether blocks, whether it must serve us.
    for (name, txs, blocks, serves) in [
        ("inbound", true, true, false),
        ("manual", true, true, false),
        ("outbound-full-relay", true, true, true),
        ("block-relay-only", false, true, true),
        ("addr-fetch", true, false, true),
        ("feeler", false, false, false),
    ] {
        let kind = ConnectionKind::named(name).unwrap();
        assert_eq!(kind.name(), name);
        assert_eq!(
            (kind.relays_txs(), kind.relays_blocks(), kind.must_serve()),
            (txs, blocks, serves),
            "{name}"
        );
        assert_eq!(kind.is_inbound(), name == "inbound");
    }
    assert_eq!(ConnectionKind::named("other"), None);
}
