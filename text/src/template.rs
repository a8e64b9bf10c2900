// SPDX-License-Identifier: Apache-2.0
//! Chat templates: minijinja set up as transformers sets up Jinja, bounded in steps, depth and text.

use crate::{bounds, guarded, nesting, python, text, Buffer, View};
use chrono::DateTime;
use minijinja_contrib::pycompat::unknown_method_callback as pycompat;
use minijinja::machinery::{make_string_output, CompiledTemplate, Instructions, TemplateConfig, Vm, WhitespaceConfig};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

const NAME: &str = "chat template";
const FUEL: u64 = 1_000_000;
const RECURSION: usize = 100;
const MAX_SOURCE: usize = 1 << 20;

/// How much more text a rendering may make than it may give: intermediate strings.
const INTERMEDIATE: usize = 4;

pub struct Loaded {
    environment: Environment<'static>,
    instructions: Instructions<'static>,
    blocks: BTreeMap<&'static str, Instructions<'static>>,
    _source: Source, // last: the instructions borrow it
}

/// Text at a fixed address, as long as the value lives.
struct Source(*mut str);

unsafe impl Send for Source {}
unsafe impl Sync for Source {}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: made by Box::into_raw in load(); what borrows it is gone.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

fn load(source: &str) -> Result<Loaded, String> {
    if source.len() > MAX_SOURCE {
        return Err(format!("it has {} bytes; at most {MAX_SOURCE} are read", source.len()));
    }
    let mut environment = Environment::new();
    environment.set_recursion_limit(RECURSION);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(write_value);
    environment.set_unknown_method_callback(call_method);
    bounds::add_filters(&mut environment);
    nesting::set(&mut environment);
    environment.add_filter("tojson", python::tojson);
    environment.add_filter("string", |value: &Value| python::str_of(value));
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    let source = Source(Box::into_raw(without_generation_marks(source).into_boxed_str()));
    // SAFETY: Loaded keeps the source for longer than the instructions.
    let text: &'static str = unsafe { &*source.0 };
    nesting::check(text)?;
    let compiled = CompiledTemplate::new(NAME, text, &config()).map_err(|e| said(&e))?;
    Ok(Loaded {
        environment,
        instructions: bounds::alter(&compiled.instructions),
        blocks: compiled.blocks.iter().map(|(name, block)| (*name, bounds::alter(block))).collect(),
        _source: source,
    })
}

fn config() -> TemplateConfig {
    TemplateConfig {
        syntax_config: Default::default(),
        ws_config: WhitespaceConfig { trim_blocks: true, lstrip_blocks: true, ..Default::default() },
        default_auto_escape: Arc::new(|_| AutoEscape::None),
    }
}

/// Python's methods of strings, lists and dicts; those that multiply text are ours.
fn call_method(state: &State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), method, arguments) {
        (Some(text), "replace", [from, to]) => match (from.as_str(), to.as_str()) {
            (Some(from), Some(to)) => bounds::replace(text, from, to),
            _ => Err(Error::new(ErrorKind::InvalidOperation, "replace() takes two strings")),
        },
        (Some(between), "join", [items]) => bounds::join(items, Some(between)),
        // minijinja's own would look for it without end.
        (Some(text), "count", [nothing]) if nothing.as_str() == Some("") => Ok(Value::from(text.chars().count() + 1)),
        (Some(text), "format", _) => {
            bounds::before_format(text, arguments)?;
            pycompat(state, value, method, arguments)
        }
        _ => pycompat(state, value, method, arguments),
    }
}

fn write_value(out: &mut Output, _: &State, value: &Value) -> Result<(), Error> {
    out.write_str(&python::str_of(value)?).map_err(Error::from)
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

fn render(loaded: &Loaded, context: &str, limit: usize) -> Result<Vec<u8>, String> {
    let parsed: serde_json::Value = serde_json::from_str(context).map_err(|e| e.to_string())?;
    bounds::allow(limit.saturating_add(context.len()).saturating_mul(INTERMEDIATE));
    let mut out = String::new();
    let root = Value::from_serialize(&parsed);
    Vm::new(&loaded.environment)
        .eval(&loaded.instructions, root, &loaded.blocks, &mut make_string_output(&mut out), AutoEscape::None)
        .map_err(|e| said(&e))?;
    if out.len() > limit {
        return Err(format!("it makes more than {limit} bytes"));
    }
    Ok(out.into_bytes())
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
