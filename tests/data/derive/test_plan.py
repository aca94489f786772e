"""Plans say what a statement does, keep to their share, and can be hidden without a trace."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m31r_core.plans import hide_plans
from m31r_core.tokenizer import END, FILE, PLAN, PREFIX, SPECIALS, SUFFIX, train_tokenizer
from m31r_data.config import DeriveConfig
from m31r_data.derive.plan import plan_comments, plan_examples
from tests.conftest import RUST

CONFIG = DeriveConfig(plan=1.0)
TOKENIZER = train_tokenizer([RUST] * 3, 500)

# statement in a function that returns a Result -> plan, or "" for none
SAID = {
    # borrow, clone, take
    "let names = &self.names;": "borrow the names",
    "let cache = &mut self.file_cache;": "borrow the file cache mutably",
    "let first = &rows[0];": "borrow an element of the rows",
    "let copy = self.names.clone();": "clone the names",
    "let other = Arc::clone(&handle);": "clone the pointer to the handle",
    "let text = name.to_string();": "turn the name into a string",
    "let owned = slice.to_vec();": "copy the slice into a vector",
    "let buffer = std::mem::take(&mut self.buffer);": "take the buffer, leaving a default",
    "let value = cell.into_inner();": "take ownership of what the cell holds",
    "let bytes = text.into_bytes();": "turn the text into bytes",
    "let task = slot.take();": "take the slot out",
    "drop(guard);": "drop the guard",
    # locks, threads, channels
    "let mut cache = self.cache.lock().unwrap();": "lock the cache",
    "let worker = thread::spawn(move || work());": "spawn a thread",
    "let (tx, rx) = mpsc::channel();": "open a channel",
    "tx.send(message)?;": "send the message over tx",
    "count.fetch_add(1, Ordering::SeqCst);": "add 1 to the count atomically",
    "let ready = flag.swap(true, Ordering::AcqRel);": "exchange the flag for true atomically",
    "let body = fetch(url).await;": "wait for fetch to finish",
    # errors
    "let config = parse_config(path)?;": "parse the config or propagate the error",
    "let x = a.b(c)?;": "propagate the error",
    "let file = File::open(path)?;": "open the path or propagate the error",
    "let first = list.first().unwrap();": "take the first item of the list",
    "let value = result.unwrap();": "unwrap the result",
    "let width = width.unwrap_or(80);": "take the width or 80",
    "return Err(Error::Empty);": "return an error",
    'bail!("no");': "return an error",
    # ways out
    "if names.is_empty() { return Ok(()); }": "return ok if the names is empty",
    "if !line.starts_with(prefix) { continue; }": "skip if line does not start with prefix",
    "if i >= len { break; }": "stop if i is at least the len",
    "if self.done { return; }": "return early if done is true",
    "let Some(name) = names.pop() else { return None; };": "return none unless there is a name",
    "return Ok(Some(frame));": "return early",
    "return Some(self.name);": "return the name as some",
    # branches and loops
    "match self.state { _ => {} }": "match on the state",
    "match (left, right) { _ => {} }": "match on the left and the right",
    "if let Some(entry) = map.get(&key) { go(); }": "check whether there is an entry",
    "if let Token::Comma = token { go(); }": "check whether the token is a comma",
    "let size = match kind { _ => 1 };": "choose the size by matching on the kind",
    "for name in &self.names { go(); }": "go through each name of the names",
    "for item in items.iter_mut() { go(); }": "go through the items mutably",
    "for (i, x) in rows.iter().enumerate() { go(); }": "go through the rows with their numbers",
    "for i in 0..count { go(); }": "run i from 0 until the count",
    "for i in 1..=9 { go(); }": "run i from 1 through 9",
    "while let Some(node) = stack.pop() { go(); }": "loop while there is a node",
    "while low < high { go(); }": "loop while low is less than high",
    "loop { if go() { break; } }": "loop until a break",
    "loop { go(); }": "loop forever",
    "loop { go()?; }": "",
    # collections and iterators
    "let names: Vec<_> = users.iter().map(|u| u.name()).collect();": (
        "collect the names into a vector"
    ),
    "let seen = ids.collect::<HashSet<_>>();": "collect the seen into a hash set",
    "let mut counts = HashMap::new();": "start the counts as an empty hash map",
    "names.push(name);": "push the name onto the names",
    "map.insert(key, value);": "insert into the map",
    "out.push_str(&line);": "append the line to the out",
    "*counts.entry(word).or_insert(0) += 1;": "",
    "lines.retain(|line| keep(line));": "filter the lines in place",
    "queue.sort_by_key(|job| job.rank);": "sort the queue by a key",
    "let total: u32 = rows.iter().map(|r| r.n).sum();": "compute the total as a sum",
    "let longest = lens.iter().max();": "find the largest of the lens",
    # arithmetic and assignments
    "let sum = left + right;": "add the right to the left",
    "let half = size / 2;": "divide the size by 2",
    "let small = size as u8;": "cast the size to u8",
    "let next = i.wrapping_add(1);": "add 1 to i, wrapping around",
    "count += 1;": "increment the count",
    "total -= price;": "subtract the price from the total",
    "self.name = name;": "store the name",
    "self.state = State::Done;": "set the state to done",
    "let mut depth = 0;": "start the depth at 0",
    "let value = table[i];": "read the table at i",
    # macros, closures, structs, unsafe
    'let label = format!("{a}-{b}");': "format the label",
    'println!("{x}");': "print a line",
    'write!(f, "{x}")?;': "write formatted text to f",
    "assert!(!names.is_empty());": "assert that the names is not empty",
    "assert_eq!(count, 3);": "assert that the count equals 3",
    "assert_eq!(Self::K, K);": "",
    'info!("started");': "log at info level",
    "let point = Point { x, y };": "build a point",
    "let double = |x| x * 2;": "define the closure double",
    "let byte = unsafe { read_byte(at) };": "read the byte, unsafely",
    "unsafe { a(); b(); }": "run unsafe code",
    # what nothing certain can be said of
    "let x = y;": "",
    "node.visit(visitor);": "",
    "value.encode(&mut sink);": "",
    "let x = a.b(c);": "",
    "crc.fold(bytes, 0);": "",
    "client.any(method);": "",
    "let path = self.install_path();": "",
    "self.0.fetch_add(1, Ordering::SeqCst);": "",
    "ß.größe();": "",
}


@pytest.mark.parametrize("statement", SAID)
def test_a_plan_says_what_the_statement_does(statement: str) -> None:
    text = f"fn f() -> Result<(), Error> {{\n    {statement}\n    Ok(())\n}}\n"
    found = dict(plan_comments(text))
    place = text.index("    ")
    assert found.get(place, "").removeprefix("// ") == SAID[statement]
    assert found[len(text[: text.index("    Ok")].encode())] == "// return ok"


@pytest.mark.parametrize(
    ("returned", "plan"),
    [
        ("io::Result<u8>", "// parse the row or propagate the error"),
        ("Option<u8>", "// parse the row or return none"),
        ("Answer", "// parse the row or return early"),
    ],
)
def test_what_a_question_mark_returns_is_the_functions(returned: str, plan: str) -> None:
    text = f"fn f() -> {returned} {{\n    let row = parse_row(line)?;\n    go(row)\n}}\n"
    assert plan_comments(text)[0][1] == plan
    inside = text.replace(
        "let row = parse_row(line)?;", "let f = |line| {\n parse_row(line)?;\n };"
    )
    assert "// parse the row or return early" in dict(plan_comments(inside)).values()


def test_what_a_person_said_or_cannot_be_read_gets_no_plan() -> None:
    said = "fn f() {\n    // Forget it.\n    names.clear();\n}\n"
    assert plan_comments(said) == []
    assert plan_comments(said.replace("    // Forget it.\n", "")) != []
    assert plan_comments("fn f() {\n    #[cfg(test)]\n    names.clear();\n}\n") == []
    assert plan_comments("fn f() {\n    names.clear(;\n}\n") == []
    assert plan_comments("fn f() { names.clear(); }\n") == []


def test_plans_are_short_and_in_lower_case() -> None:
    code = "".join(f"    {statement}\n" for statement in SAID)
    found = plan_comments(f"fn f() {{\n{code}}}\n{RUST}")
    assert len(found) > 60
    for _, comment in found:
        assert comment.startswith("// ")
        assert comment == comment.lower()
        assert len(comment.removeprefix("// ").split()) <= 8


@settings(max_examples=80)
@given(st.lists(st.sampled_from([*SAID, "}", "fn g() {", "é = 🦀", '"', "/*"]), max_size=8))
def test_any_text_has_plans_at_starts_of_lines(statements: list[str]) -> None:
    text = "fn f() {\n" + "".join(f"\t{each}\n" for each in statements)
    source = text.encode()
    for place, _ in plan_comments(text):
        assert source[:place].endswith(b"\n")


def code(functions: int) -> str:
    body = [f"    {statement}\n" for statement in SAID]
    rng = random.Random(functions)
    return "".join(
        f"fn f{i}() -> Option<()> {{\n{''.join(rng.sample(body, 12))}}}\n\n"
        for i in range(functions)
    )


@pytest.mark.parametrize("max_tokens", [256, 400, 1024])
def test_examples_keep_to_their_limits_and_lose_their_plans(max_tokens: int) -> None:
    config, text = replace(CONFIG, max_tokens=max_tokens), code(30)
    found = list(plan_examples(TOKENIZER, "src/a.rs", text, config, random.Random(1)))
    layouts = {SUFFIX in ids for ids in found}
    assert layouts == {True, False}
    for ids in found:
        plain = hide_plans(TOKENIZER, ids)
        assert len(ids) <= max_tokens
        assert 0 < len(ids) - len(plain) <= config.plan_tokens * len(ids)
        assert ids[0] == FILE
        before = ids.index(PREFIX)
        shown = TOKENIZER.decode(plain[before + 1 :])
        if SUFFIX in ids:
            assert PLAN not in ids[:before]
            assert ids[-1] == END
            shown += TOKENIZER.decode(ids[ids.index(SUFFIX) + 1 : before])
        assert shown in text
        assert plain[before + 1 :] == [
            *TOKENIZER.encode(TOKENIZER.decode(plain[before + 1 :])),
            *([END] if plain[-1] == END else []),
        ]


def test_the_share_of_pieces_is_configuration() -> None:
    text = code(120)
    counts = []
    for share in (0.0, 0.4, 1.0):
        config = replace(CONFIG, plan=share)
        rng = random.Random(2)
        counts.append(len(list(plan_examples(TOKENIZER, "a.rs", text, config, rng))))
    assert counts[0] == 0
    assert 0.25 < counts[1] / counts[2] < 0.55


def test_the_same_seed_gives_the_same_examples() -> None:
    first, again, other = (
        list(plan_examples(TOKENIZER, "a.rs", code(20), CONFIG, random.Random(seed)))
        for seed in (3, 3, 4)
    )
    assert first == again != other


@settings(max_examples=60)
@given(st.text(max_size=400), st.integers(0, 99))
def test_no_text_is_too_strange(text: str, seed: int) -> None:
    text = f"fn f() {{\n    names.clear();\n{text}\n"
    for ids in plan_examples(TOKENIZER, "a.rs", text, CONFIG, random.Random(seed)):
        kept = [i for i in hide_plans(TOKENIZER, ids) if i >= len(SPECIALS)]
        assert kept
