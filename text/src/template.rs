// SPDX-License-Identifier: Apache-2.0
//! Chat templates: minijinja set up as transformers sets up Jinja, bounded in steps, depth and output.

use crate::{guarded, python, text, Buffer, View};
use chrono::DateTime;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use std::fmt::Write as _;
use std::io;

const NAME: &str = "chat template";
const FUEL: u64 = 5_000_000;
const RECURSION: usize = 100;
const MAX_SOURCE: usize = 1 << 20;

pub struct Loaded {
    environment: Environment<'static>,
}

fn load(source: &str) -> Result<Loaded, String> {
    if source.len() > MAX_SOURCE {
        return Err(format!("it has {} bytes; at most {MAX_SOURCE} are read", source.len()));
    }
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_recursion_limit(RECURSION);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(write_value);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", python::tojson);
    environment.add_filter("string", |value: &Value| python::str_of(value));
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_template_owned(NAME, without_generation_marks(source)).map_err(|e| said(&e))?;
    Ok(Loaded { environment })
}

fn write_value(out: &mut Output, _: &State, value: &Value) -> Result<(), Error> {
    out.write_str(&python::str_of(value)).map_err(Error::from)
}

fn raise_exception(message: String) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// The caller says what time it is (`now`, seconds since 1970, UTC), so that a rendering can be had again.
fn strftime_now(state: &State, format: &str) -> Result<String, Error> {
    let seconds = state.lookup("now").and_then(|now| i64::try_from(now).ok()).unwrap_or(0);
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let mut out = String::new();
    write!(out, "{}", time.format(format))
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: bad format '{format}'")))?;
    Ok(out)
}

/// `{% generation %}` … `{% endgeneration %}` marks the assistant's words for training (transformers' extension); what
/// stands inside is rendered as it is.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = rest.find("{%") {
        let Some(end) = rest[begin..].find("%}") else { break };
        let tag = &rest[begin..begin + end + 2];
        out.push_str(&rest[..begin]);
        match tag[2..tag.len() - 2].trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+') {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = &rest[begin + end + 2..];
    }
    out.push_str(rest);
    out
}

/// Output up to a limit; past it, an error.
struct Bounded {
    content: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.content.len() {
            return Err(io::Error::other(format!("it makes more than {} bytes", self.limit)));
        }
        self.content.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn render(loaded: &Loaded, context: &str, limit: usize) -> Result<Vec<u8>, String> {
    let context: serde_json::Value = serde_json::from_str(context).map_err(|e| e.to_string())?;
    let template = loaded.environment.get_template(NAME).map_err(|e| said(&e))?;
    let mut out = Bounded { content: Vec::new(), limit };
    template.render_captured_to(Value::from_serialize(&context), &mut out).map_err(|e| said(&e))?;
    Ok(out.content)
}

/// "line 3: the message", with the causes.
fn said(error: &Error) -> String {
    let mut out = String::new();
    if let Some(line) = error.line() {
        let _ = write!(out, "line {line}: ");
    }
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => out.push_str("it takes too many steps"),
        (ErrorKind::InvalidOperation, Some(detail)) => out.push_str(detail),
        (kind, Some(detail)) => out.push_str(&format!("{kind}: {detail}")),
        (kind, None) => out.push_str(&kind.to_string()),
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let _ = write!(out, ": {inner}");
        cause = inner.source();
    }
    out
}

/// # Safety
/// As serin_text.h says; so for every function below.
#[no_mangle]
pub unsafe extern "C" fn serin_template_load(source: View, error: *mut Buffer) -> *mut Loaded {
    let mut loaded = std::ptr::null_mut();
    guarded(error, || {
        loaded = Box::into_raw(Box::new(load(text(source)?)?));
        Ok(Vec::new())
    });
    loaded
}

#[no_mangle]
pub unsafe extern "C" fn serin_template_free(template: *mut Loaded) {
    if !template.is_null() {
        drop(Box::from_raw(template));
    }
}

#[no_mangle]
pub unsafe extern "C" fn serin_template_render(
    template: *const Loaded,
    context: View,
    limit: usize,
    out: *mut Buffer,
) -> bool {
    guarded(out, || render(&*template, text(context)?, limit))
}
