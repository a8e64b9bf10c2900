// SPDX-License-Identifier: Apache-2.0
//! What keeps a template's texts within bounds. minijinja counts steps (fuel), but one step may double a string. So every
//! rendering has an allowance of bytes; whatever makes text takes from it, and the steps that can multiply text do so
//! before they make it. For that the compiled template is altered: `~`, `+` and `*` become filters of ours, what filters
//! and methods give is counted, and raw text goes the way of `{{ … }}`, which write_value() counts. What becomes part of
//! another value is looked at by nesting.rs.

use crate::{nesting, python};
use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use std::cell::Cell;

const CONCAT: &str = "serin:concat";
const ADD: &str = "serin:add";
const MULTIPLY: &str = "serin:multiply";
const MADE: &str = "serin:made";
const KEPT: &str = "serin:kept";
const NOT_CACHED: u8 = !0;

/// Items of a value that a template makes.
pub const MAX_ITEMS: usize = 100_000;

thread_local! {
    static ALLOWED: Cell<usize> = const { Cell::new(0) };
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// A rendering on this thread begins.
pub fn allow(bytes: usize) {
    ALLOWED.set(bytes);
    LEFT.set(bytes);
}

pub fn take(bytes: usize) -> Result<(), Error> {
    let left = LEFT.get().checked_sub(bytes);
    LEFT.set(left.unwrap_or(0));
    match left {
        Some(_) => Ok(()),
        None => {
            let said = format!("it makes more than {} bytes of text", ALLOWED.get());
            Err(Error::new(ErrorKind::InvalidOperation, said))
        }
    }
}

/// One value may hold as much text as the rendering may make.
pub fn fits(bytes: usize) -> Result<(), Error> {
    match ALLOWED.get().checked_sub(bytes) {
        Some(_) => Ok(()),
        None => Err(refused("a value holds too much text")),
    }
}

pub fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

/// The filters that the altered instructions call; no template can spell their names.
pub fn add_filters(environment: &mut Environment) {
    environment.add_filter(CONCAT, concat);
    environment.add_filter(ADD, add);
    environment.add_filter(MULTIPLY, multiply);
    environment.add_filter(MADE, nesting::made);
    environment.add_filter(KEPT, nesting::kept);
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment.add_filter("indent", indent);
    environment.add_filter("format", format);
    environment.add_filter("batch", batch);
    environment.add_filter("slice", slice);
}

/// The same instructions with those above in their places; jumps are moved along.
pub fn alter(from: &Instructions<'static>) -> Instructions<'static> {
    let all: Vec<_> = (0..).map_while(|i| from.get(i)).collect();
    let mut moved = Vec::with_capacity(all.len() + 1);
    let mut place = 0;
    for instruction in &all {
        moved.push(place);
        place += altered(instruction).len() as u32;
    }
    moved.push(place);
    let mut to = Instructions::new(from.name(), from.source());
    for (i, instruction) in all.iter().enumerate() {
        let line = from.get_line(i as u32).unwrap_or(0) as u16;
        for mut new in altered(instruction) {
            match &mut new {
                Instruction::Iterate(target)
                | Instruction::Jump(target)
                | Instruction::JumpIfFalse(target)
                | Instruction::JumpIfFalseOrPop(target)
                | Instruction::JumpIfTrueOrPop(target)
                | Instruction::BuildMacro(_, target, _) => *target = moved[*target as usize],
                _ => {}
            }
            to.add_with_line(new, line);
        }
    }
    to
}

fn altered(instruction: &Instruction<'static>) -> Vec<Instruction<'static>> {
    let filter = |name, arguments| Instruction::ApplyFilter(name, Some(arguments), NOT_CACHED);
    match instruction {
        Instruction::EmitRaw(text) => vec![Instruction::LoadConst(Value::from(*text)), Instruction::Emit],
        Instruction::StringConcat => vec![filter(CONCAT, 2)],
        Instruction::Add => vec![filter(ADD, 2)],
        Instruction::Mul => vec![filter(MULTIPLY, 2)],
        Instruction::SetAttr(_) => vec![Instruction::Swap, filter(KEPT, 1), Instruction::Swap, instruction.clone()],
        Instruction::BuildList(_)
        | Instruction::BuildMap(_)
        | Instruction::ApplyFilter(..)
        | Instruction::CallMethod(..)
        | Instruction::CallFunction(..)
        | Instruction::CallObject(..)
        | Instruction::Slice => vec![instruction.clone(), filter(MADE, 1)],
        _ => vec![instruction.clone()],
    }
}

/// `~`, as Python's Jinja has it: str() of both.
fn concat(left: Value, right: Value) -> Result<Value, Error> {
    let mut text = python::str_of(&left)?;
    text.push_str(&python::str_of(&right)?);
    Ok(Value::from(text))
}

fn add(left: Value, right: Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        take(a.len() + b.len())?;
        return Ok(Value::from(format!("{a}{b}")));
    }
    if is_list(&left) && is_list(&right) {
        let items = left.len().unwrap_or(MAX_ITEMS) + right.len().unwrap_or(MAX_ITEMS);
        few(Some(items))?;
        let items: Vec<Value> = left.try_iter()?.chain(right.try_iter()?).collect();
        return nesting::made(Value::from(items));
    }
    numbers(left, right, '+')
}

fn multiply(left: Value, right: Value) -> Result<Value, Error> {
    let (thing, times) = if left.is_number() { (&right, &left) } else { (&left, &right) };
    let count = times.as_usize().unwrap_or(0);
    if let Some(text) = thing.as_str() {
        take(text.len().saturating_mul(count))?;
        return Ok(Value::from(text.repeat(count)));
    }
    if is_list(thing) {
        few(thing.len().and_then(|items| items.checked_mul(count)))?;
        let items: Vec<Value> = thing.try_iter()?.collect();
        let repeated: Vec<Value> = (0..count).flat_map(|_| items.iter().cloned()).collect();
        return nesting::made(Value::from(repeated));
    }
    numbers(left, right, '*')
}

fn numbers(left: Value, right: Value, operator: char) -> Result<Value, Error> {
    let impossible = || {
        let said = format!("tried to use {operator} operator on unsupported types {} and {}", left.kind(), right.kind());
        Error::new(ErrorKind::InvalidOperation, said)
    };
    let times = operator == '*';
    if let (Ok(a), Ok(b)) = (i128::try_from(left.clone()), i128::try_from(right.clone())) {
        let made = if times { a.checked_mul(b) } else { a.checked_add(b) };
        return match made.ok_or_else(impossible)? {
            small if i64::try_from(small).is_ok() => Ok(Value::from(small as i64)),
            large => Ok(Value::from(large)),
        };
    }
    match (f64::try_from(left.clone()), f64::try_from(right.clone())) {
        (Ok(a), Ok(b)) => Ok(Value::from(if times { a * b } else { a + b })),
        _ => Err(impossible()),
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn few(items: Option<usize>) -> Result<(), Error> {
    match items {
        Some(count) if count <= MAX_ITEMS => Ok(()),
        _ => Err(refused("it makes a list of too many items")),
    }
}

/// The filter and Python's method.
pub fn replace(text: &str, from: &str, to: &str) -> Result<Value, Error> {
    let most = text.len() / from.len().max(1) + 1;
    // Exact only where it matters: what grows.
    let found = if to.len() > from.len() { text.matches(from).count().min(most) } else { 0 };
    take(found.saturating_mul(to.len()))?;
    Ok(Value::from(text.replace(from, to)))
}

/// The filter and Python's method.
pub fn join(items: &Value, between: Option<&str>) -> Result<Value, Error> {
    let mut text = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        let between = between.filter(|_| i > 0).unwrap_or_default();
        take(between.len())?;
        text.push_str(between);
        text.push_str(&python::str_of(&item)?);
    }
    Ok(Value::from(text))
}

fn format(state: &State, text: &Value, values: Rest<Value>) -> Result<Value, Error> {
    before_format(text.as_str().unwrap_or_default(), &values)?;
    minijinja::filters::format(state, text, values)
}

/// For `%` and `{}` alike: every place may hold the longest value, and a width may be of any size.
pub fn before_format(text: &str, values: &[Value]) -> Result<(), Error> {
    const MOST_DIGITS: usize = 4;
    if text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > MOST_DIGITS) {
        return Err(refused("a width has too many digits"));
    }
    let mut longest = 0;
    for value in values {
        longest = longest.max(python::str_of(value)?.len());
    }
    take(text.matches(['%', '{']).count().saturating_mul(longest))
}

/// Both reserve room for `count` items before they make any.
fn batch(state: &State, items: Value, count: usize, filler: Option<Value>) -> Result<Value, Error> {
    few(Some(count))?;
    minijinja::filters::batch(state, items, count, filler)
}

fn slice(state: &State, items: Value, count: usize, filler: Option<Value>) -> Result<Value, Error> {
    few(Some(count))?;
    minijinja::filters::slice(state, items, count, filler)
}

fn indent(text: &str, width: usize, first: Option<bool>, blank: Option<bool>) -> Result<Value, Error> {
    take(text.lines().count().saturating_mul(width).saturating_add(width))?;
    let space = " ".repeat(width);
    let mut out = String::new();
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let wanted = if i == 0 { first.unwrap_or(false) } else { blank.unwrap_or(false) || !line.is_empty() };
        if wanted {
            out.push_str(&space);
        }
        out.push_str(line);
    }
    Ok(Value::from(out))
}
