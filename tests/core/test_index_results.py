"""The index compared with a direct computation of what it should find, for random memories.

Thresholds are lowered, so that a few hundred memories are quantized and pruned.
"""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from memorybank_core.conditions import matches, require_where
from memorybank_core.metadata import from_text
from memorybank_core.protocols import Filter, Probe
from memorybank_core.search.dates import DayRange
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.traits import ENDS_ASKING, HAN, LATIN, OTHER_SCRIPT, SCRIPTS
from memorybank_core.stores.index import bm25, conversations, lexical_query, vectors
from memorybank_core.stores.index.batch import IndexBatch, StateBatch, encode
from memorybank_core.stores.index.bm25 import K1, POSTING, B, postings, term_key
from memorybank_core.stores.index.user_index import UserIndex
from memorybank_core.stores.rules import candidates_per_signal

DIMENSION = 16
FIRST_DAY = date(2024, 1, 1)
VOCABULARY = [f"word{number}" for number in range(40)]
FREQUENCIES = 1 / np.arange(1, 41)
FLAGS = [LATIN, LATIN | ENDS_ASKING, LATIN | HAN, HAN, OTHER_SCRIPT, 0]
SESSIONS, SPEAKERS = ("a", "b", "c", "d"), ("Ada", "Bo")
METADATA = ('{"agent":"coder","n":1}', '{"agent":"friend"}', '{"n":2}')


@pytest.fixture(params=["small", "large"])
def thresholds(request, monkeypatch):
    if request.param == "large":
        monkeypatch.setattr(vectors, "EXACT_UP_TO", 40)
        monkeypatch.setattr(lexical_query, "PRUNE_FROM", 40)
        monkeypatch.setattr(lexical_query, "_FREQUENT", 3)
        monkeypatch.setattr(lexical_query, "_LOOKUPS", 2)
    monkeypatch.setattr(bm25, "_TAIL", 300)
    monkeypatch.setattr(conversations, "_FEW", 4)


def make_batch(rng, first_key, count):
    """Return a batch of random memories, whose keys have gaps; later ones are seldom earlier."""
    words = [
        rng.choice(VOCABULARY, rng.integers(0, 15), p=FREQUENCIES / FREQUENCIES.sum())
        for _ in range(count)
    ]
    windows = rng.choice([1, 1, 1, 2, 4], count).astype(np.int32)
    matrix = rng.normal(size=(windows.sum(), DIMENSION)) + 1.0
    blobs = [postings(list(text)) for text in words]
    day = (FIRST_DAY.toordinal() + first_key // 20 + rng.integers(0, 3, count)).astype(np.int32)
    kind = (rng.random(count) < 0.1).astype(np.uint8)
    session, sessions = encode(
        [None if event else str(rng.choice(SESSIONS)) for event in kind.tolist()]
    )
    speaker, speakers = encode(rng.choice([*SPEAKERS, ""], count).tolist())
    metadata, metadata_texts = encode(
        "" if event else str(rng.choice(["", *METADATA])) for event in kind.tolist()
    )
    return IndexBatch(
        key=first_key + np.cumsum(rng.integers(1, 3, count)),
        created=(day.astype(np.int64) * 86_400 + rng.permutation(count)) * 1_000_000,
        day=day,
        kind=kind,
        utterances=rng.integers(1, 3, count).astype(np.uint8),
        session=session,
        speaker=speaker,
        asks=rng.integers(0, 256, count).astype(np.uint8),
        flags=rng.choice(FLAGS, count).astype(np.uint16),
        metadata=metadata,
        windows=windows,
        terms=np.array([len(blob) // POSTING.itemsize for blob in blobs], np.int32),
        postings=np.frombuffer(b"".join(blobs), POSTING),
        vectors=(matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32),
        sessions=sessions,
        speakers=speakers,
        metadata_texts=metadata_texts,
    )


class Reference:
    """What the index should find, computed memory by memory."""

    def __init__(self):
        self.memories = []

    def extend(self, batch):
        for number in range(len(batch)):
            one = batch.select(np.arange(len(batch)) == number)
            session, speaker = int(one.session[0]), int(one.speaker[0])
            self.memories.append(
                {
                    "key": int(one.key[0]),
                    "created": float(one.created[0] / 1e6),
                    "refreshed": float(one.created[0] / 1e6),
                    "strength": 1.0,
                    "archived": False,
                    "day": int(one.day[0]),
                    "kind": int(one.kind[0]),
                    "utterances": int(one.utterances[0]),
                    "session": one.sessions[session] if session >= 0 else None,
                    "speaker": one.speakers[speaker] if speaker >= 0 else None,
                    "asks": int(one.asks[0]),
                    "flags": int(one.flags[0]),
                    "metadata": from_text(
                        one.metadata_texts[one.metadata[0]] if one.metadata[0] >= 0 else ""
                    ),
                    "vectors": one.vectors.astype(float),
                    "counts": dict(one.postings.tolist()),
                }
            )

    def truncate(self, key):
        self.memories = [memory for memory in self.memories if memory["key"] < key]

    def update(self, states):
        by_key = {memory["key"]: memory for memory in self.memories}
        for number, key in enumerate(states.key.tolist()):
            memory = by_key[key]
            memory["refreshed"] = max(states.refreshed[number], memory["created"])
            memory["strength"] = states.strength[number]
            memory["archived"] = states.archived[number]

    def allowed(self, memory, filter):
        return (
            (filter.archived or not memory["archived"])
            and (filter.since is None or memory["day"] >= filter.since.toordinal())
            and (filter.until is None or memory["day"] <= filter.until.toordinal())
            and (filter.kind is None or memory["kind"] == (filter.kind == "event"))
            and (filter.session is None or memory["session"] == filter.session)
            and (
                filter.where is None
                or (memory["kind"] == 0 and matches(memory["metadata"], filter.where))
            )
        )

    def lengths(self):
        return [sum(memory["counts"].values()) for memory in self.memories]

    def mean_length(self):
        return sum(self.lengths()) / len(self.memories) or 1.0

    def counts(self, terms):
        """Return the counts of each term, shape (memories, terms)."""
        keys = [{term_key(form) for form in group.forms} for group in terms]
        counts = [
            [sum(memory["counts"].get(key, 0) for key in group) for group in keys]
            for memory in self.memories
        ]
        return np.array(counts).reshape(len(self.memories), len(terms))

    def bm25(self, terms):
        counts, total = self.counts(terms), len(self.memories)
        norms = K1 * (1 - B + B * np.array(self.lengths()) / self.mean_length())
        scores = np.zeros(total)
        for group, column in zip(terms, counts.T, strict=True):
            frequency = np.count_nonzero(column)
            idf = np.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
            scores += group.weight * idf * (K1 + 1) * column / (column + norms)
        return scores

    def mean(self, scripts):
        """Return the mean of the vectors in these scripts, near that of all if there are few."""
        vectors = np.array([memory["vectors"].mean(axis=0) for memory in self.memories])
        same = [m["flags"] & sum(SCRIPTS) == scripts for m in self.memories]
        mean = vectors.sum(axis=0) / (len(vectors) + 20)
        return (vectors[same].sum(axis=0) + 20 * mean) / (sum(same) + 20)

    def centred(self, probe):
        """Return the query without the mean of its scripts, of unit length."""
        centred = probe.vector - self.mean(probe.scripts)
        return centred / np.linalg.norm(centred)

    def centred_cosine(self, memory, query):
        """Return the cosine of a centred query to a memory without the mean of its scripts."""
        centred = memory["vectors"] - self.mean(memory["flags"] & sum(SCRIPTS))
        return max(centred @ query / np.linalg.norm(centred, axis=1))

    def pool(self, probe, allowed, lexical):
        size = candidates_per_signal(probe.least, probe.pool, len(self.memories))
        by_words = [i for i in np.argsort(-lexical, kind="stable") if allowed[i] and lexical[i] > 0]
        return {*by_words[:size], *self.nearest(probe, allowed, size)}

    def nearest_by_script(self, probe, allowed):
        """Return the nearest memories of each script, if the allowed ones are in several."""
        groups = [
            [is_allowed and memory["flags"] & script > 0 for is_allowed, memory in pairs]
            for script in SCRIPTS
            if (pairs := list(zip(allowed, self.memories, strict=True)))
        ]
        groups = [group for group in groups if any(group)]
        sizes = [candidates_per_signal(probe.least, probe.pool, sum(group)) for group in groups]
        found = map(self.nearest, [probe] * len(groups), groups, sizes)
        return set().union(*found) if len(groups) > 1 else set()

    def nearest(self, probe, allowed, size):
        centred = self.centred(probe)
        windows = sorted(
            (-float(vector @ centred), i)
            for i, memory in enumerate(self.memories)
            if allowed[i]
            for vector in memory["vectors"]
        )
        count = size
        while len(near := {i for _, i in windows[:count]}) < size and count < len(windows):
            count *= 2
        return near

    def places(self):
        order = sorted(
            range(len(self.memories)),
            key=lambda i: (str(self.memories[i]["session"]), self.memories[i]["created"], i),
        )
        places, so_far, session = {}, 0, None
        for i in order:
            if self.memories[i]["session"] != session:
                so_far, session = 0, self.memories[i]["session"]
            so_far += self.memories[i]["utterances"]
            places[i] = so_far
        return places

    def candidates(self, probe):
        """Return the candidates by key: what `Candidates` has, with names instead of codes."""
        lexical, counts = self.bm25(probe.terms), self.counts(probe.terms)
        centred, lengths = self.centred(probe), self.lengths()
        allowed = [self.allowed(memory, probe.filter) for memory in self.memories]
        named = [
            min((s.days for s in probe.days if s.first <= day <= s.last), default=0)
            for day in map(date.fromordinal, (memory["day"] for memory in self.memories))
        ]
        pooled = self.pool(probe, allowed, lexical) | self.nearest_by_script(probe, allowed)
        if any(named):
            within = [a and n > 0 for a, n in zip(allowed, named, strict=True)]
            pooled |= self.pool(probe, within, lexical)
        places, chosen = self.places(), set(pooled)
        for i in pooled:
            for j, other in enumerate(self.memories):
                same = (
                    other["session"] is not None and other["session"] == self.memories[i]["session"]
                )
                if allowed[j] and same and abs(places[i] - places[j]) <= probe.reach:
                    chosen.add(j)
        forms = {form for group in probe.terms for form in group.forms}
        spoken = [name for name in SPEAKERS if name.lower() in forms]
        used = [name for name in spoken if any(m["speaker"] == name for m in self.memories)]
        return {
            self.memories[i]["key"]: {
                "similarity": max(self.memories[i]["vectors"] @ probe.vector),
                "centred": self.centred_cosine(self.memories[i], centred),
                "counts": counts[i].tolist(),
                "length": lengths[i],
                "pooled": i in pooled,
                "named": named[i],
                "spoken": len(used) == 1 and self.memories[i]["speaker"] == used[0],
                "created": self.memories[i]["created"],
                "refreshed": self.memories[i]["refreshed"],
                "strength": self.memories[i]["strength"],
                "asks": self.memories[i]["asks"],
                "flags": self.memories[i]["flags"],
            }
            for i in chosen
        }


def make_probe(rng):
    vector = rng.normal(size=DIMENSION) + 1.0
    words = [*rng.choice(VOCABULARY, rng.integers(0, 9)), *rng.choice(["ada", "bo", "is"], 1)]
    cuts = np.sort(rng.integers(0, len(words), rng.integers(0, 5)))
    groups = [tuple(map(str, part)) for part in np.split(words, cuts) if len(part)]
    day = FIRST_DAY + timedelta(days=int(rng.integers(0, 25)))
    filters = [
        Filter(),
        Filter(archived=True),
        Filter(since=day),
        Filter(until=day, kind="turn"),
        Filter(session=str(rng.choice([*SESSIONS, "unknown"]))),
        Filter(kind="event", archived=True),
        Filter(where=require_where({"agent": "coder"})),
        Filter(where=require_where({"n": {"$ne": 1}}), archived=True),
    ]
    days = (DayRange(day, day), DayRange(day - timedelta(2), day + timedelta(4)))
    return Probe(
        vector=(vector / np.linalg.norm(vector)).astype(np.float32),
        terms=[TermGroup(forms, weight=float(rng.choice([1.0, 0.5]))) for forms in groups],
        days=days[: rng.integers(0, 3)],
        filter=filters[rng.integers(0, len(filters))],
        pool=12,
        least=int(rng.integers(3, 6)),
        reach=6,
        scripts=int(rng.choice([0, *SCRIPTS, SCRIPTS[0] | SCRIPTS[1]])),
    )


def make_states(rng, keys):
    chosen = np.sort(rng.choice(keys, min(9, len(keys)), replace=False))
    return StateBatch(
        key=chosen,
        refreshed=np.where(
            rng.random(len(chosen)) < 0.2, np.inf, rng.random(len(chosen)) * 2e9 + 7e8
        ),
        strength=rng.integers(1, 5, len(chosen)).astype(float),
        archived=rng.random(len(chosen)) < 0.4,
    )


def check_statistics(found, reference, probe):
    assert found.terms == probe.terms
    counts = reference.counts(probe.terms)
    assert found.frequencies.tolist() == np.count_nonzero(counts, axis=0).tolist()
    assert found.memories == len(reference.memories)
    assert found.mean_length == pytest.approx(reference.mean_length())
    by_key = {memory["key"]: memory["vectors"] for memory in reference.memories}
    pooled = found.key[found.pooled].tolist()
    best = [by_key[key][np.argmax(by_key[key] @ probe.vector)] for key in pooled]
    assert found.vectors.shape == (len(pooled), DIMENSION)
    assert found.vectors == pytest.approx(np.array(best).reshape(found.vectors.shape), abs=1e-6)


def check(index, reference, probe):
    found, expected = index.candidates(probe), reference.candidates(probe)
    assert sorted(found.key.tolist()) == sorted(expected)
    assert np.lexsort((found.place, found.session)).tolist() == list(range(len(found.key)))
    for number, key in enumerate(found.key.tolist()):
        for name, value in expected[key].items():
            assert getattr(found, name)[number] == pytest.approx(value, abs=1e-6), (key, name)
    check_statistics(found, reference, probe)
    by_key = {key: number for number, key in enumerate(found.key.tolist())}
    places, position = reference.places(), {m["key"]: i for i, m in enumerate(reference.memories)}
    for left in by_key:
        for right in by_key:
            memories = [reference.memories[position[key]] for key in (left, right)]
            in_one_session = memories[0]["session"] is not None and (
                memories[0]["session"] == memories[1]["session"]
            )
            a, b = by_key[left], by_key[right]
            same = found.session[a] == found.session[b] and found.session[a] >= 0
            assert same == in_one_session
            if same:
                distance = places[position[left]] - places[position[right]]
                assert found.place[a] - found.place[b] == distance


@pytest.mark.parametrize("seed", range(5))
def test_candidates_are_those_of_a_direct_computation(thresholds, seed):
    rng = np.random.default_rng(seed)
    index, reference, next_key = UserIndex(DIMENSION), Reference(), 1
    for step in range(12):
        batch = make_batch(rng, next_key, int(rng.choice([1, 3, 60])))
        next_key = int(batch.key[-1]) + 1
        parts = [index, reference]
        for part in parts:
            part.extend(batch)
        if step % 3 == 2:
            states = make_states(rng, [memory["key"] for memory in reference.memories])
            for part in parts:
                part.update(states)
        if step % 4 == 3:
            key = int(rng.integers(next_key // 2, next_key))
            for part in parts:
                part.truncate(key)
        for _ in range(3):
            check(index, reference, make_probe(rng))


def test_vectors_with_larger_components_than_before_keep_their_precision(thresholds):
    rng = np.random.default_rng(7)
    small = rng.normal(size=(300, DIMENSION)).astype(np.float32) / 500
    index = vectors.VectorIndex(DIMENSION)
    for scale in (1, 10, 100):
        index.extend(small * np.float32(scale))
    query = rng.normal(size=DIMENSION).astype(np.float32)
    exact = np.concatenate([small * scale for scale in (1, 10, 100)]) @ query
    products = index.products(query)
    assert products.at(np.arange(900)) == pytest.approx(exact, abs=1e-6)
    assert products.nearest(20, None).tolist() == np.argsort(-exact)[:20].tolist()


def test_equal_vectors_are_found_in_the_order_of_writing(thresholds):
    index = vectors.VectorIndex(2)
    index.extend(np.array([[1.0, 0.0]] * 200, np.float32))
    products = index.products(np.array([1.0, 0.0], np.float32))
    assert products.nearest(3, None).tolist() == [0, 1, 2]


def test_nothing_is_found_where_nothing_is_allowed(thresholds):
    rng = np.random.default_rng(0)
    index = UserIndex(DIMENSION)
    assert len(index.candidates(make_probe(rng)).key) == 0
    index.extend(make_batch(rng, 1, 200))
    probe = replace(make_probe(rng), filter=Filter(session="unknown"), days=())
    assert len(index.candidates(probe).key) == 0


def test_the_index_grows_with_what_is_added_and_shrinks_again(thresholds):
    rng = np.random.default_rng(0)
    index = UserIndex(DIMENSION)
    index.extend(make_batch(rng, 1, 100))
    index.candidates(make_probe(rng))
    size, key = index.nbytes, index.last_key
    index.extend(make_batch(rng, key, 100))
    index.candidates(make_probe(rng))
    assert index.nbytes > size + 100 * DIMENSION * 3
    index.truncate(key + 1)
    assert index.nbytes < size + 2000


def test_a_long_tail_is_merged_only_when_it_is_read_again(monkeypatch):
    monkeypatch.setattr(bm25, "_TAIL", 3)
    index = bm25.LexicalIndex()
    entries = np.frombuffer(postings([f"word{number}" for number in range(9)]), POSTING)
    tails = []
    for _ in range(2):
        index.extend(entries, np.array([len(entries)]))
        for _ in range(2):
            index.query([TermGroup(("word1",))])
            tails.append(len(index._tail_keys))
    assert tails == [9, 0, 9, 0]
