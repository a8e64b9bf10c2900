// SPDX-License-Identifier: Apache-2.0
//! What Python's `str`, `repr` and `json.dumps` write: chat templates are written for Python's Jinja.

use crate::bounds;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// `str(value)`: as in the text that a template makes. Takes what it makes from the rendering's allowance.
pub fn str_of(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    match value.as_str() {
        Some(text) => push(&mut out, text)?,
        None if value.is_undefined() => {}
        None => repr_into(&mut out, value)?,
    }
    Ok(out)
}

fn push(out: &mut String, text: &str) -> Result<(), Error> {
    bounds::take(text.len())?;
    out.push_str(text);
    Ok(())
}

fn repr_into(out: &mut String, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => push(out, "None"),
        ValueKind::Bool => push(out, if value.is_true() { "True" } else { "False" }),
        ValueKind::String => push(out, &quoted(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            push(out, "[")?;
            for (i, item) in value.try_iter()?.enumerate() {
                push(out, if i > 0 { ", " } else { "" })?;
                repr_into(out, &item)?;
            }
            push(out, "]")
        }
        ValueKind::Map => {
            push(out, "{")?;
            for (i, key) in value.try_iter()?.enumerate() {
                push(out, if i > 0 { ", " } else { "" })?;
                repr_into(out, &key)?;
                push(out, ": ")?;
                repr_into(out, &value.get_item(&key).unwrap_or(Value::UNDEFINED))?;
            }
            push(out, "}")
        }
        _ => push(out, &value.to_string()),
    }
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `json.dumps(value)` on one line: a space after every comma and colon.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// Output that takes from the rendering's allowance.
struct Counted(Vec<u8>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        bounds::take(bytes.len()).map_err(io::Error::other)?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn dump<F: Formatter>(value: &Value, formatter: F) -> Result<String, Error> {
    let mut out = Counted(Vec::new());
    value
        .serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("tojson: {e}")))?;
    String::from_utf8(out.0).map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))
}

/// The filter `tojson` as transformers defines it: nothing is escaped for HTML. `ensure_ascii` and `separators` are
/// taken and ignored, since transformers' own default is what templates rely on; `sort_keys` is not supported.
pub fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<Value> = options.get("ensure_ascii")?;
    let _: Option<Value> = options.get("separators")?;
    options.assert_all_used()?;
    let text = match indent.map(|width| " ".repeat(width.min(16))) {
        Some(indent) => dump(value, PrettyFormatter::with_indent(indent.as_bytes()))?,
        None => dump(value, OneLine)?,
    };
    Ok(Value::from(text))
}
