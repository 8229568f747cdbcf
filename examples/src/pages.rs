//! The pages and what they are made of, compiled in.

use sansws_mio::Response;

/// The page that leads to the other two.
pub const INDEX: &str = include_str!("../pages/index.html");
/// The chat.
pub const CHAT: &str = include_str!("../pages/chat.html");
/// The ticker.
pub const TICKER: &str = include_str!("../pages/ticker.html");

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Name, type and content of all that the pages load from `/assets/`.
const ASSETS: [(&str, &str, &str); 11] = [
    ("chat-room.js", JAVASCRIPT, include_str!("../pages/chat-room.js")),
    ("chat.css", CSS, include_str!("../pages/chat.css")),
    ("chat.js", JAVASCRIPT, include_str!("../pages/chat.js")),
    ("connection-badge.js", JAVASCRIPT, include_str!("../pages/connection-badge.js")),
    ("connection.js", JAVASCRIPT, include_str!("../pages/connection.js")),
    ("favicon.svg", SVG, include_str!("../pages/favicon.svg")),
    ("index.css", CSS, include_str!("../pages/index.css")),
    ("style.css", CSS, include_str!("../pages/style.css")),
    ("ticker-row.js", JAVASCRIPT, include_str!("../pages/ticker-row.js")),
    ("ticker.css", CSS, include_str!("../pages/ticker.css")),
    ("ticker.js", JAVASCRIPT, include_str!("../pages/ticker.js")),
];

/// A page, allowed to load from and talk to this server only.
pub fn page(html: &'static str) -> Response {
    hardened(Response::html(html)).header(
        "Content-Security-Policy",
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    )
}

/// What a page loads; `name` is the path behind `/assets/`.
pub fn asset(name: &str) -> Response {
    match ASSETS.iter().find(|(asset, ..)| *asset == name) {
        Some(&(_, content_type, content)) => {
            hardened(Response::new(200).body(content_type, content.as_bytes()))
        }
        None => Response::not_found(),
    }
}

fn hardened(response: Response) -> Response {
    response
        .header("Cache-Control", "no-cache")
        .header("Referrer-Policy", "no-referrer")
        .header("X-Content-Type-Options", "nosniff")
}
