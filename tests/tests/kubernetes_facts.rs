//! The committed table of Kubernetes' own kinds is what a real API server says today.

use plumb_tests::cluster::{ControlPlane, binaries};
use plumb_tests::facts::{self, Table};

#[test]
fn the_committed_facts_are_what_the_server_says() {
    let committed = include_str!("../../kubernetes/facts.tsv");
    let server =
        ControlPlane::start_with(&binaries().unwrap(), &["--runtime-config=api/all=true"]).unwrap();
    let mut table = Table::parse(committed).unwrap();
    table.replace(facts::read(&server).unwrap());
    // Not assert_eq: two tables of thousands of lines would hide the one that differs.
    let served = table.to_string();
    let differs = served
        .lines()
        .zip(committed.lines())
        .find(|(served, committed)| served != committed);
    assert!(
        served == committed,
        "run `cargo run -p xtask -- kubernetes-facts`. First difference (served, committed): {differs:?}"
    );
}
