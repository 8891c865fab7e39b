//! In front of every endpoint: the right, a turn, and an end to patience. The body has not been read by then.

use super::{App, CALLS_OF_ONE};
use super::problem::Failure;
use super::routes::{Access, Endpoint};
use crate::domain::text::PersonName;
use crate::token::Token;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::timeout;

/// The one token of the call, if there is exactly one and it has the shape of one.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (one, more) = (values.next()?, values.next());
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    if more.is_none() && scheme.eq_ignore_ascii_case("bearer") { Token::parse(token.trim()) } else { None }
}

/// How many calls each holder has under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Holders(Arc<Mutex<HashMap<PersonName, usize>>>);

/// One call of a holder, counted as long as this lives.
struct Counted {
    holders: Holders,
    name: PersonName,
}

impl Holders {
    fn lock(&self) -> MutexGuard<'_, HashMap<PersonName, usize>> {
        // a count is changed in one step: nothing can be left half changed
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more call of this holder; none when there are too many.
    fn count(&self, name: &PersonName) -> Option<Counted> {
        let mut counts = self.lock();
        let count = counts.entry(name.clone()).or_default();
        if *count >= CALLS_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Counted { holders: self.clone(), name: name.clone() })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.holders.lock();
        if let Some(count) = counts.get_mut(&self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}

async fn admit(app: &App, endpoint: Endpoint, request: &mut Request) -> Result<Option<Counted>, Failure> {
    let unknown = || Failure::unauthenticated("show a valid token: Authorization: Bearer TOKEN");
    match endpoint.access() {
        Access::Open => Ok(None),
        Access::Node => {
            let token = bearer(request.headers()).ok_or_else(unknown)?;
            if app.desk.is_node(&token) {
                return Ok(None);
            }
            match app.desk.holder(&token).await? {
                Some(_) => Err(Failure::forbidden("this is for nodes")),
                None => Err(unknown()),
            }
        }
        Access::Roles(roles) => {
            let token = bearer(request.headers()).ok_or_else(unknown)?;
            let actor = match app.desk.holder(&token).await? {
                Some(actor) => actor,
                None if app.desk.is_node(&token) => return Err(Failure::forbidden("this is not for nodes")),
                None => return Err(unknown()),
            };
            if !roles.contains(&actor.role) {
                return Err(Failure::forbidden(format!("the role {} may not do this", actor.role)));
            }
            let counted = app.holders.count(&actor.name).ok_or_else(|| Failure::limit("too many calls of yours at once"))?;
            request.extensions_mut().insert(actor);
            Ok(Some(counted))
        }
    }
}

pub(super) async fn guard(State((app, endpoint)): State<(App, Endpoint)>, mut request: Request, next: Next) -> Response {
    let work = async {
        let counted = match admit(&app, endpoint, &mut request).await {
            Ok(counted) => counted,
            Err(failure) => return failure.into_response(),
        };
        // first come, first served; who waits for a node's receipt does not keep others waiting
        let slot = if endpoint.waits() { None } else { app.calls.acquire().await.ok() };
        let large = if endpoint.has_module() { app.modules.acquire().await.ok() } else { None };
        let response = next.run(request).await;
        drop((slot, large, counted));
        response
    };
    let patience = endpoint.patience(&app.desk.limits);
    let response = timeout(patience, work).await;
    response.unwrap_or_else(|_| Failure::timeout("what was begun goes on; look again").into_response())
}

/// What every answer carries: nothing of it belongs into a cache, or is to be taken for another type.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
