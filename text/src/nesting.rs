// SPDX-License-Identifier: Apache-2.0
//! What keeps a template from nesting until the stack ends. minijinja bounds how statements, brackets and calls nest, but
//! not how long a chain in one tag is, and not how values do: a namespace carries a list of its own last value from step
//! to step. Values that nest deeply end the process when they are written, compared or only dropped.

use crate::bounds::{fits, refused, take, MAX_ITEMS};
use minijinja::machinery::{tokenize, Token};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{functions, Environment, Error, Value};

/// As deep as the JSON of a request may be.
const MAX_DEPTH: usize = 128;

/// Parts of one tag: the parser and the compiler may descend by one for each.
const MAX_TAG: usize = 1_000;

/// The same for the branches of an `if`.
const MAX_BRANCHES: usize = 500;

pub fn set(environment: &mut Environment) {
    environment.add_function("namespace", namespace);
    // Not of Python's Jinja: one makes dicts that are looked up in one another, the other shows everything.
    environment.remove_filter("chain");
    environment.remove_global("debug");
}

/// Before the source is parsed. What the lexer cannot read the parser will not get past either.
pub fn check(source: &str) -> Result<(), String> {
    let (mut parts, mut branches) = (0, 0);
    let mut begins = false;
    for (token, span) in tokenize(source, false, SyntaxConfig::default(), Default::default()).map_while(Result::ok) {
        branches += usize::from(begins && matches!(token, Token::Ident("elif")));
        begins = matches!(token, Token::BlockStart);
        parts = if begins || matches!(token, Token::VariableStart) { 0 } else { parts + 1 };
        if parts > MAX_TAG {
            return Err(format!("line {}: a tag has more than {MAX_TAG} parts", span.start_line));
        }
        if branches > MAX_BRANCHES {
            return Err(format!("line {}: it has more than {MAX_BRANCHES} elif", span.start_line));
        }
    }
    Ok(())
}

/// What an instruction made: no deeper and larger than allowed, and a list where it was the promise of one. Promises that
/// refer to promises would nest unseen.
pub fn made(value: Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        take(text.len())?;
        return Ok(value);
    }
    if is_machinery(&value) {
        return Ok(value);
    }
    measure(&value)?;
    listed(value)
}

/// What a namespace is to hold. Values are measured when they are made; a namespace in a namespace could hold itself, and
/// a macro closes over its namespace.
pub fn kept(value: Value) -> Result<Value, Error> {
    if is_machinery(&value) {
        return Err(refused("a list, dict or namespace cannot hold a namespace, a macro or a loop"));
    }
    Ok(value)
}

fn namespace(first: Option<Value>) -> Result<Value, Error> {
    first.as_ref().map(measure).transpose()?;
    functions::namespace(first)
}

/// Namespaces, macros and loops, which look like dicts.
fn is_machinery(value: &Value) -> bool {
    const MODULES: [&str; 2] = ["minijinja::vm::", "minijinja::value::namespace_object::"];
    value.as_object().is_some_and(|object| MODULES.iter().any(|module| object.type_name().starts_with(module)))
}

/// Shared parts count each time, as whatever walks the value will meet them.
#[derive(Default)]
struct Size {
    items: usize,
    bytes: usize,
}

fn measure(value: &Value) -> Result<(), Error> {
    let mut size = Size::default();
    size.add(value, 0)?;
    take(size.items)
}

impl Size {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(refused("it makes a list of too many items"));
        }
        if depth > MAX_DEPTH {
            return Err(refused("its lists and dicts nest too deeply"));
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| self.add_held(item, depth)),
            ValueKind::Map => value.try_iter()?.try_for_each(|key| {
                let held = value.get_item(&key)?;
                self.add_held(key, depth)?;
                self.add_held(held, depth)
            }),
            _ => {
                self.bytes += value.as_str().map_or(0, str::len);
                fits(self.bytes)
            }
        }
    }

    fn add_held(&mut self, value: Value, depth: usize) -> Result<(), Error> {
        self.add(&kept(value)?, depth + 1)
    }
}

fn listed(value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Iterable && value.downcast_object_ref::<Vec<Value>>().is_none() {
        return Ok(value);
    }
    let items = value.try_iter()?.map(listed).collect::<Result<Vec<_>, _>>()?;
    take(items.len() * std::mem::size_of::<Value>())?;
    Ok(Value::from(items))
}
