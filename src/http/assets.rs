//! The pages: built by Vite, embedded in the binary. Unknown addresses are routes of the pages and get the one HTML file.

use crate::http::problem::Problem;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "frontend/dist/"]
struct Pages;

/// A built file, or the page that routes.
///
/// # Errors
/// 404 for a file that does not exist and for other methods.
pub async fn page_or_asset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::not_found());
    }
    let path = request.path().trim_start_matches('/');
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let (name, cache) = if path.starts_with("assets/") {
        (path, "public, max-age=31536000, immutable")
    } else if is_file {
        (path, "no-cache")
    } else {
        ("index.html", "no-cache")
    };
    let file = Pages::get(name).ok_or_else(Problem::not_found)?;
    let kind = content_type(name);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CACHE_CONTROL, cache))
        .body(file.data.into_owned()))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
