//! Services of tonic and hyper as they are, over a ring and over sockets.

mod cases;
mod ends;
#[path = "../../../tests/given/mod.rs"]
mod given;
mod http;
mod limits;
mod moving;
#[path = "../../../tests/role/mod.rs"]
mod role;
mod scene;

#[test]
fn in_a_role() {
    let Some(role) = role::assigned() else {
        return;
    };
    match role.split_once(' ') {
        Some(("serve", targets)) => scene::serve(targets),
        Some(("leak", target)) => ends::leak(target),
        Some(("poor", target)) => limits::poor(target),
        Some(("stranger", targets)) => limits::stranger(targets),
        other => panic!("no such role: {other:?}"),
    }
}
