//! Redirections, followed only if that was asked for.

use crate::world::{World, accept, read_head, say, scripted};

#[test]
fn a_chain_is_followed_as_far_as_allowed() {
    let mut world = World::new();
    let server = world.server;
    world.redirect("/1", 301, "/dir/2");
    world.redirect("/dir/2", 302, "3?q");
    world.redirect("/dir/3", 303, "../4");
    world.redirect("/4", 307, format!("http://{server}/5#part"));
    world.redirect("/5", 308, format!("//{server}/6"));
    let url = format!("ws://{server}/1");
    world.reach_with(&url, |connect| connect.redirects(5)).assert_good();
    assert_eq!(world.paths(), ["/1", "/dir/2", "/dir/3", "/4", "/5", "/6"]);
    world.reach_with(&url, |connect| connect.redirects(4)).assert_failed("too many redirections");
    world.reach(&url).assert_failed("HTTP status 301");
}

#[test]
fn a_circle_ends() {
    let mut world = World::new();
    world.redirect("/a", 302, "/b");
    world.redirect("/b", 302, "/a");
    let url = format!("ws://{}/a", world.server);
    world.reach_with(&url, |connect| connect.redirects(10)).assert_failed("too many redirections");
    assert_eq!(world.paths().len(), 11);
}

#[test]
fn secrets_stay_within_the_origin() {
    let mut world = World::new();
    let other = world.listen();
    world.redirect("/a", 302, "/b");
    world.redirect("/b", 302, format!("ws://{other}/c"));
    world.redirect("/c", 302, format!("ws://{}/d", world.server));
    let url = format!("ws://me:pw@{}/a", world.server);
    let fate = world.reach_with(&url, |connect| {
        let connect = connect.cookie("id", "42").expect("a cookie");
        connect.header("X-Api-Key", "k").header("Proxy-Authorization", "p").redirects(5)
    });
    fate.assert_good();
    let secrets = ["authorization", "cookie", "x-api-key", "proxy-authorization"];
    let seen = &world.event_loop.handler().seen;
    let sent: Vec<_> = seen
        .iter()
        .map(|seen| (&*seen.path, secrets.iter().filter(|name| seen.headers.contains_key(**name)).count()))
        .collect();
    // Not even back at the first server: who sent us there was another.
    assert_eq!(sent, [("/a", 4), ("/b", 4), ("/c", 0), ("/d", 0)]);
    let keys: std::collections::HashSet<_> =
        seen.iter().map(|seen| &seen.headers["sec-websocket-key"]).collect();
    assert_eq!(keys.len(), 4, "each request has a nonce of its own");
}

#[test]
fn bad_locations_are_refused() {
    for (location, why) in [
        ("ftp://a/", "not a WebSocket"),
        ("javascript:alert(1)", "not a WebSocket"),
        ("http://me:pw@127.0.0.1/", "user name or password"),
        ("http://", "without a usable Location"),
        ("/a b", "without a usable Location"),
    ] {
        let mut world = World::new();
        world.redirect("/a", 302, location);
        let url = format!("ws://{}/a", world.server);
        world.reach_with(&url, |connect| connect.redirects(5)).assert_failed(why);
        assert_eq!(world.paths(), ["/a"], "{location}");
    }
}

#[test]
fn no_location_or_two_are_refused() {
    for locations in ["", "Location: /a\r\nLocation: /b\r\n"] {
        let (address, server) = scripted(move |listener| {
            let mut stream = accept(listener);
            read_head(&mut stream);
            say(&mut stream, &format!("HTTP/1.1 302 Found\r\n{locations}\r\n"));
        });
        let mut world = World::new();
        let url = format!("ws://{address}/");
        world.reach_with(&url, |connect| connect.redirects(5)).assert_failed("without a usable Location");
        server.join().expect("as scripted");
    }
}
