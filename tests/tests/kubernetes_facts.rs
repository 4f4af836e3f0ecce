//! The committed table of Kubernetes' own kinds is what a real API server says today.

use plumb_tests::cluster::{ControlPlane, binaries};
use plumb_tests::facts::{self, Table};
use serde_json::{Value, json};

#[test]
fn the_committed_facts_are_what_the_server_says() {
    let committed = include_str!("../../kubernetes/facts.tsv");
    let server =
        ControlPlane::start_with(&binaries().unwrap(), &["--runtime-config=api/all=true"]).unwrap();
    let mut table = Table::parse(committed).unwrap();
    table.replace(facts::read(&server).unwrap());
    // Not assert_eq: two tables of thousands of lines would hide the one that differs.
    let served = table.to_string();
    let differs =
        served.lines().zip(committed.lines()).find(|(served, committed)| served != committed);
    assert!(
        served == committed,
        "run `cargo run -p xtask -- kubernetes-facts`. First difference (served, committed): {differs:?}"
    );
}

/// Where the table departs from the server's OpenAPI, the server's code is on the side of the table.
#[test]
fn the_server_does_what_the_table_says_where_its_openapi_does_not() {
    let server = ControlPlane::start(&binaries().unwrap()).unwrap();
    let refused = |object: Value| server.server_side_apply(&object).unwrap_err();
    let service = |spec: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "shop" }, "spec": spec });
    let lease = |time: &str| {
        let metadata = json!({ "name": "shop" });
        json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": { "renewTime": time } })
    };

    // The enum of `ipFamilies` has an empty text.
    let error = refused(service(json!({ "ports": [{ "port": 80 }], "ipFamilies": [""] })));
    assert!(error.contains("spec.ipFamilies[0]"), "{error}");

    // A Lease's time has the same format as any other, but takes six digits.
    let error = refused(lease("2026-01-31T12:00:00Z"));
    assert!(error.contains("2026-01-31T12:00:00Z"), "{error}");
    server.server_side_apply(&lease("2026-01-31T12:00:00.000000Z")).unwrap();

    // The published default is 0.
    let flow = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": { "name": "shop" },
        "spec": { "priorityLevelConfiguration": { "name": "catch-all" } },
    });
    assert_eq!(server.server_side_apply(&flow).unwrap().object["spec"]["matchingPrecedence"], 1000);

    // Two ports of one number are one port, when one says TCP and the other nothing.
    let port = |name: &str| json!({ "name": name, "port": 80 });
    let mut tcp = port("b");
    tcp["protocol"] = json!("TCP");
    let error = refused(service(json!({ "ports": [port("a"), tcp.clone()] })));
    assert!(error.contains("duplicate"), "{error}");
    tcp["protocol"] = json!("UDP");
    server.server_side_apply(&service(json!({ "ports": [port("a"), tcp] }))).unwrap();

    // What is put into an empty object is dropped, what is put into one of any content is kept. OpenAPI
    // does not tell them apart.
    let kept = server
        .server_side_apply(&custom_resource(json!({ "status": { "shop": 1 } })))
        .unwrap()
        .object;
    assert_eq!(kept["spec"]["versions"][0]["subresources"], json!({ "status": {} }));
    let revision = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": { "name": "shop" },
        "revision": 1, "data": { "anything": [1] },
    });
    assert_eq!(
        server.server_side_apply(&revision).unwrap().object["data"],
        json!({ "anything": [1] })
    );
}

fn custom_resource(subresources: Value) -> Value {
    let names = json!({ "kind": "Order", "plural": "orders" });
    let schema = json!({ "openAPIV3Schema": { "type": "object" } });
    let version = json!({ "name": "v1", "served": true, "storage": true, "schema": schema, "subresources": subresources });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "orders.shop.example" },
        "spec": { "group": "shop.example", "scope": "Namespaced", "names": names, "versions": [version] },
    })
}
