//! What a response means.

use sansws::Connection;
use sansws::handshake::{Fault, Field, HandshakeError, HeaderStorage, client};

use crate::conn::ending::Cause;
use crate::dial::refusal::Refusal;
use crate::random;
use crate::settings::Settings;
use crate::target::connect::Connect;
use crate::target::redirect::{RedirectError, is_redirection, redirected};
use crate::target::url::Target;

/// What a response means.
#[expect(clippy::large_enum_variant, reason = "handed over once, at once")]
pub(crate) enum Verdict {
    /// Another one comes.
    Interim,
    Accepted(Connection, Option<Box<str>>),
    Redirected(Target),
    Refused(Refusal),
}

/// Judges the head of a response to the request that `connect` and `nonce` make.
pub(crate) fn check_response<S>(
    connect: &Connect<S>,
    nonce: &[u8; 16],
    head: &[u8],
    settings: &Settings,
) -> Result<Verdict, Cause> {
    let mut storage = HeaderStorage::<{ Settings::MOST_HEADERS }>::default();
    let parsed = client::Response::parse(head, &mut storage).map_err(Cause::Handshake)?;
    let (response, _) = parsed.ok_or(Cause::Handshake(HandshakeError::MalformedHead))?;
    if response.headers().len() > settings.max_headers {
        return Err(Cause::Handshake(HandshakeError::TooManyHeaders));
    }
    if response.is_interim() {
        return Ok(Verdict::Interim);
    }
    if is_redirection(response.status()) && (connect.redirects > 0 || connect.redirected) {
        if connect.redirects == 0 {
            return Err(Cause::Redirect(RedirectError::TooMany));
        }
        let target = redirected(&connect.target, response.headers().all("Location"));
        return target.map(Verdict::Redirected).map_err(Cause::Redirect);
    }
    let lacks_subprotocol = connect.subprotocol_required
        && !connect.subprotocols.is_empty()
        && response.status() == 101
        && response.subprotocol().is_none();
    if lacks_subprotocol {
        return Err(Cause::Handshake(HandshakeError::Response(Field::Subprotocol, Fault::Missing)));
    }
    let accepted = connect
        .with_request(|request| response.accept(request, nonce, &settings.message, random::masking_key));
    match accepted {
        Ok(conn) => Ok(Verdict::Accepted(conn, response.subprotocol().map(Into::into))),
        Err(HandshakeError::Status(_)) => {
            Ok(Verdict::Refused(Refusal::new(&response, settings.max_refusal_content)))
        }
        Err(error) => Err(Cause::Handshake(error)),
    }
}
