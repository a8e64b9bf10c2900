// SPDX-License-Identifier: Apache-2.0
//! Tokenizers and chat templates for Serin, behind the C ABI that serin_text.h describes. This file holds what every
//! function of it shares: borrowed and owned bytes, and the border that no panic crosses.

mod bounds;
mod nesting;
mod python;
mod template;
mod tokenizer;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// Bytes that the caller owns and keeps alive during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct View {
    data: *const u8,
    size: usize,
}

/// Bytes that this library allocated; the caller gives them back with `serin_text_free`.
#[repr(C)]
pub struct Buffer {
    data: *mut u8,
    size: usize,
}

/// # Safety
/// `view` must describe readable memory, or be empty.
unsafe fn bytes<'a>(view: View) -> &'a [u8] {
    if view.size == 0 {
        return &[];
    }
    std::slice::from_raw_parts(view.data, view.size)
}

/// # Safety
/// As `bytes`.
unsafe fn text<'a>(view: View) -> Result<&'a str, String> {
    std::str::from_utf8(bytes(view)).map_err(|e| format!("not UTF-8: {e}"))
}

fn buffer(content: Vec<u8>) -> Buffer {
    let boxed = content.into_boxed_slice();
    let size = boxed.len();
    Buffer { data: Box::into_raw(boxed) as *mut u8, size }
}

/// Runs `work`; what it gives, its error, or the message of a panic in it goes to `out`. True when it gave something.
///
/// # Safety
/// `out` must be writable.
unsafe fn guarded(out: *mut Buffer, work: impl FnOnce() -> Result<Vec<u8>, String>) -> bool {
    silence_panics();
    let (ok, content) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(content)) => (true, content),
        Ok(Err(message)) => (false, message.into_bytes()),
        Err(panic) => (false, message_of(panic.as_ref()).into_bytes()),
    };
    out.write(buffer(content));
    ok
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .map(|s| s.to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the text library failed: {}", said.unwrap_or_else(|| "no message".into()))
}

/// The message travels in the error; standard error belongs to the program's own log.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

/// # Safety
/// `owned` must come from this library and not have been given back.
#[no_mangle]
pub unsafe extern "C" fn serin_text_free(owned: Buffer) {
    if !owned.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(owned.data, owned.size)));
    }
}
