use super::{conf, flags, toml};

#[path = "../../../tests/common/feed.rs"]
mod feed;
#[path = "../../../tests/common/seeds.rs"]
mod seeds;

use feed::feed;

#[test]
fn flags_of_any_bytes_are_borne() {
    feed(flags, seeds::FLAGS);
}

#[test]
fn files_of_settings_of_any_bytes_are_borne() {
    feed(conf, seeds::CONF);
}

#[test]
fn configurations_of_any_bytes_are_borne() {
    feed(toml, seeds::TOML);
}
