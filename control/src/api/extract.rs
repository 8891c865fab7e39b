//! What comes in, read strictly; what does not read is a problem in the API's own form.

use super::App;
use super::problem::Failure;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use portcullis_model::bytes::printable;
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        match Json::<T>::from_request(request, app).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

fn refuse(rejection: &JsonRejection) -> Failure {
    let detail = printable(rejection.body_text().as_bytes());
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Failure::too_large(detail) } else { Failure::invalid(detail) }
}

/// The id in the path. A text that is no id is answered as an id that nobody has.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr> FromRequestParts<App> for Id<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let missing = || Failure::not_found("there is no such id");
        let Path(text) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| missing())?;
        text.parse().map(Self).map_err(|_| missing())
    }
}

/// The parameters behind `?`.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Parameters<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(Failure::invalid(printable(rejection.body_text().as_bytes()))),
        }
    }
}

/// Items of a page that names no number, and the most that can be asked for.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;

/// The size of a page.
pub(super) fn page_size(limit: Option<u32>) -> Result<u32, Failure> {
    match limit {
        None => Ok(PAGE),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(Failure::invalid(format!("limit: 1 to {PAGE_MAX}"))),
    }
}

/// A text field as its type, or a problem that names the field.
pub(super) fn field<T>(name: &'static str, text: String) -> Result<T, Failure>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    T::try_from(text).map_err(|problem| Failure::invalid(format!("{name}: {problem}")))
}
