#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the tokenizers and renders the templates that tokenizer_test.cc compares with.

Run beside a Python with `tokenizers` and `jinja2`: python3 make_fixtures.py. What it writes is committed, so that the test
needs no Python. The expectations are those of Hugging Face's own library and of Jinja set up as transformers does it.
"""
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It doesn't mind; we've seen it before, haven't we?",
    "A generative model becomes a microservice: one process serves one package over HTTP and gRPC.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Schöne Grüße aus Köln!",
    "Voix ambiguë d’un cœur qui, au zéphyr, préfère les jattes de kiwis. Ça va très bien, merci.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; añoraba a su querido cachorro.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Привет, мир!",
    "いろはにほへと ちりぬるを わかよたれそ つねならむ。今日はいい天気ですね。",
    "我能吞下玻璃而不伤身体。你好，世界！今天天气很好。",
    "نص حكيم له سر قاطع وذو شأن عظيم. مرحبا بالعالم",
    "ऋषियों को सताने वाले दुष्ट राक्षसों का सर्वनाश। नमस्ते दुनिया",
    "for (int i = 0; i < 10; ++i) { sum += values[i] * 3.14159; }  // 12,345 + 67",
    "😀 😃 👍🏽 👩‍👩‍👧‍👦 🇩🇪 emoji 🎉🎉🎉 and text",
] * 4

TEXTS = [
    "",
    "Hello, world!",
    " leading and trailing  spaces ",
    "line one\nline two\r\n\ttabbed\n\n\nend",
    "We've seen it; haven't we? I'LL be there, DON'T worry.",
    "Größe, cœur, niño, naïve, Ærøskøbing, İstanbul",
    "Съешь ещё этих булок",
    "今日はいい天気ですね。你好，世界！",
    "مرحبا بالعالم नमस्ते दुनिया",
    "👩‍👩‍👧‍👦 family 🇩🇪 flag 👍🏽 thumb 🦜 parrot",
    "e\u0301 combining, \u200bzero width, \u00a0no-break, ﬁ ligature, Ⅷ roman, ①",
    "1234567890 3.14159 12,345 0x1F",
    "<s>not markup</s> <|im_start|>user\nHi<|im_end|>",
    "\u0000control\u0007characters\u001b",
    "a" * 60,
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001F9A4 \U0002070E",
    "mixed: ABCdef日本123!?…—“quotes”",
]

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=640, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def split_bytes():
    """As Llama 3 and Qwen: a regular expression with look-ahead, then bytes."""
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
               r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    from tokenizers import Regex
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=560, special_tokens=["<|begin_of_text|>", "<|eot_id|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)])
    return tokenizer


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    # What the file says of length is the package's business, not the file's.
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", length=64)
    tokenizer.enable_truncation(max_length=8)
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=500, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def byte_fallback():
    """As Llama 2 and Mistral: pieces with a meta space, and bytes for what has no piece."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    trained = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trained.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    latin = [line for line in CORPUS if line.isascii()]
    trained.train_from_iterator(latin, trainers.BpeTrainer(
        vocab_size=600, special_tokens=pieces, show_progress=False, max_token_length=8))
    made = json.loads(trained.to_str())
    for token in made["added_tokens"]:
        token["special"] = token["id"] < 3
    made["added_tokens"] = [token for token in made["added_tokens"] if token["id"] < 3]
    tokenizer = Tokenizer.from_str(json.dumps(made))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def expectations(tokenizer):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = []
    for text in TEXTS:
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        special = tokenizer.encode(text, add_special_tokens=True).ids
        rows.append({"text": text, "plain": plain, "special": special,
                     "decoded": tokenizer.decode(special, skip_special_tokens=False),
                     "skipped": tokenizer.decode(special, skip_special_tokens=True)})
    return rows


def tokenizers():
    for make in (byte_level, split_bytes, word_piece, unigram, byte_fallback):
        tokenizer = make()
        content = json.loads(tokenizer.to_str())
        write(f"{make.__name__}.json", content)
        write(f"{make.__name__}.expected.json",
              {"vocabulary": tokenizer.get_vocab_size(), "rows": expectations(tokenizer)})


# Jinja as transformers.utils.chat_template_utils sets it up.
def environment():
    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: {"%d %b %Y": "05 Mar 2026", "%Y-%m-%d": "2026-03-05"}[form]
    return made


SYSTEM = {"role": "system", "content": "You are terse."}
USER = {"role": "user", "content": "  What's <b>“it”</b> & why?\n"}
ASSISTANT = {"role": "assistant", "content": "Because."}
AGAIN = {"role": "user", "content": "天気は？ 👍🏽"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]}
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "It's the weather: <now> & \"then\"",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}},
                   "required": ["city"], "empty": [], "none": None, "yes": True, "ratio": 0.5}}}]
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 2}}}]}
ANSWER = {"role": "tool", "name": "weather", "tool_call_id": "c1", "content": "rain"}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

CASES = [
    ("chatml", [USER], {}, True),
    ("chatml", [SYSTEM, USER, ASSISTANT, AGAIN], {}, True),
    ("chatml", [SYSTEM, USER, ASSISTANT], {}, False),
    ("chatml", [USER, CALL, ANSWER], {"tools": TOOLS}, True),
    ("llama3", [SYSTEM, USER, ASSISTANT, AGAIN], {"bos_token": "<|begin_of_text|>"}, True),
    ("llama3", [USER], {"bos_token": "<|begin_of_text|>", "tools": TOOLS}, False),
    ("llama3", [PARTS], {"bos_token": "<|begin_of_text|>"}, True),
    ("mistral", [USER, ASSISTANT, AGAIN], TOKENS, False),
    ("mistral", [SYSTEM, USER], TOKENS, False),
    ("mistral", [ASSISTANT], TOKENS, False),
    ("mistral", [USER, USER], TOKENS, False),
    ("python", [USER, ASSISTANT], TOKENS, True),
]


def templates():
    made = environment()
    rows = []
    for name, messages, variables, prompt in CASES:
        template = made.from_string((HERE / "templates" / f"{name}.jinja").read_text())
        row = {"template": name, "messages": messages, "variables": variables, "add_generation_prompt": prompt}
        try:
            row["rendered"] = template.render(messages=messages, add_generation_prompt=prompt, **variables)
        except jinja2.exceptions.TemplateError as error:
            row["raised"] = str(error)
        rows.append(row)
    write("templates.expected.json", rows)


def write(name, content):
    (HERE / name).write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    tokenizers()
    templates()
