// SPDX-License-Identifier: Apache-2.0
// The obligations of object_store.h, on every store: a folder, and the real servers that
// tests/env/run.py starts.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "objects/cutting_proxy.h"
#include "objects/stores_for_test.h"

namespace serin::objects {
namespace {

using std::string;
using testing::HasSubstr;

const CancelToken kGoOn;

string pattern(std::size_t size, unsigned seed = 1) {
  string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

class Contract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    world_ = store_for_test(GetParam());
    store_ = world_->open();
  }

  Result<ObjectInfo> put(std::string_view key, string bytes,
                         const Condition& condition = Condition::none()) {
    return store_->put(key, Body::bytes(std::move(bytes)), condition, kGoOn);
  }
  Result<string> get(std::string_view key, const GetOptions& options = {}) {
    return get_from(*store_, key, options);
  }
  static Result<string> get_from(ObjectStore& store, std::string_view key,
                                 const GetOptions& options = {}) {
    string bytes;
    SERIN_TRY(store.get(
        key, options,
        [&](std::string_view piece) -> Status {
          bytes += piece;
          return {};
        },
        kGoOn));
    return bytes;
  }
  string text_of(std::string_view key, const GetOptions& options = {}) {
    auto read = get(key, options);
    return read ? *std::move(read) : "error: " + read.error().message;
  }
  std::vector<string> keys(std::string_view prefix) {
    std::vector<string> all;
    string from;
    do {
      auto page = store_->list(prefix, from, kGoOn);
      EXPECT_TRUE(page) << page.error().message;
      if (!page) break;
      EXPECT_LE(page->objects.size(), kPageLimit);
      for (const ObjectInfo& object : page->objects) all.push_back(object.key);
      from = page->next;
    } while (!from.empty());
    return all;
  }

  std::unique_ptr<StoreForTest> world_;
  std::unique_ptr<ObjectStore> store_;
};

#define EXPECT_CODE(expected, result)                                                \
  do {                                                                               \
    const auto& serin_given = (result);                                              \
    ASSERT_FALSE(serin_given);                                                       \
    EXPECT_EQ(serin_given.error().code, expected)                                    \
        << name_of(serin_given.error().code) << ": " << serin_given.error().message; \
  } while (false)

TEST_P(Contract, GivesBackWhatWasPut) {
  for (const std::size_t size : {0, 1, 100'000}) {
    const auto written = put("a/b.bin", pattern(size));
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(written->size, size);
    EXPECT_FALSE(written->etag.empty());
    const auto read = get("a/b.bin");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, pattern(size));
    const auto head = store_->head("a/b.bin", kGoOn);
    ASSERT_TRUE(head) << head.error().message;
    EXPECT_EQ(head->etag, written->etag);
    EXPECT_EQ(head->size, size);
    EXPECT_LT(std::chrono::abs(head->modified - std::chrono::system_clock::now()),
              std::chrono::minutes(5));
  }
}

TEST_P(Contract, PutsAFileThatIsLargerThanAPart) {
  const auto folder = TemporaryDirectory::create();
  const string bytes = pattern(3 * kPartForTest + 12'345);
  ASSERT_TRUE(write_file(folder->path() / "large", bytes));
  const auto body = Body::file(folder->path() / "large");
  const auto written = store_->put("large", *body, Condition::absent(), kGoOn);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->size, bytes.size());
  EXPECT_EQ(text_of("large"), bytes);
  EXPECT_EQ(store_->head("large", kGoOn)->etag, written->etag);
  EXPECT_CODE(Code::kAborted, store_->put("large", *body, Condition::absent(), kGoOn));
  EXPECT_TRUE(store_->put("large", *body, Condition::matches(written->etag), kGoOn));
}

TEST_P(Contract, GivesAPiece) {
  ASSERT_TRUE(put("piece", "0123456789"));
  EXPECT_EQ(text_of("piece", {.offset = 3, .length = 4}), "3456");
  EXPECT_EQ(text_of("piece", {.offset = 7}), "789");
  EXPECT_EQ(text_of("piece", {.offset = 7, .length = 100}), "789");
  EXPECT_EQ(text_of("piece", {.offset = 10}), "");
  EXPECT_EQ(text_of("piece", {.offset = 2, .length = 0}), "");
  EXPECT_CODE(Code::kOutOfRange, get("piece", {.offset = 11}));
}

TEST_P(Contract, ReadsOnlyTheObjectThatWasMeant) {
  const auto first = put("meant", "first");
  ASSERT_TRUE(first);
  EXPECT_EQ(text_of("meant", {.if_etag = first->etag}), "first");
  ASSERT_TRUE(put("meant", "second"));
  const auto read = get("meant", {.if_etag = first->etag});
  EXPECT_CODE(Code::kAborted, read);
  EXPECT_EQ(read.error().reason, "object_changed");
}

TEST_P(Contract, PutsWhereNothingIsOnce) {
  ASSERT_TRUE(put("once", "first", Condition::absent()));
  const auto second = put("once", "second", Condition::absent());
  EXPECT_CODE(Code::kAborted, second);
  EXPECT_EQ(second.error().reason, "condition_lost");
  EXPECT_EQ(text_of("once"), "first");
}

TEST_P(Contract, PutsOnlyOverTheEtagThatWasMeant) {
  const auto absent = put("swap", "never", Condition::matches("\"0123456789abcdef\""));
  EXPECT_CODE(Code::kAborted, absent);
  const auto first = put("swap", "first");
  ASSERT_TRUE(first);
  const auto second = put("swap", "second", Condition::matches(first->etag));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_NE(second->etag, first->etag);
  EXPECT_CODE(Code::kAborted, put("swap", "third", Condition::matches(first->etag)));
  EXPECT_EQ(text_of("swap"), "second");
}

TEST_P(Contract, LetsOneOfManyConcurrentWritersWin) {
  for (int round = 0; round < 3; ++round) {
    const string key = "race/" + std::to_string(round);
    std::atomic<int> won = 0, lost = 0;
    string winner;
    {
      std::vector<std::jthread> writers;
      for (int i = 0; i < 8; ++i) {
        writers.emplace_back([&, i] {
          const string mine = pattern(50'000, static_cast<unsigned>(i));
          const auto written = put(key, mine, Condition::absent());
          if (written) {
            ++won;
            winner = mine;
          } else if (written.error().reason == "condition_lost") {
            ++lost;
          }
        });
      }
    }
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, 7);
    EXPECT_EQ(text_of(key), winner);
  }
}

TEST_P(Contract, CountsByCompareAndSwap) {
  ASSERT_TRUE(put("counter", "0"));
  {
    std::vector<std::jthread> counters;
    for (int i = 0; i < 4; ++i) {
      counters.emplace_back([&] {
        for (int done = 0; done < 5;) {
          const auto seen = store_->head("counter", kGoOn);
          if (!seen) continue;
          const auto value = get("counter", {.if_etag = seen->etag});
          if (!value) continue;
          if (put("counter", std::to_string(std::stoi(*value) + 1), Condition::matches(seen->etag)))
            ++done;
        }
      });
    }
  }
  EXPECT_EQ(text_of("counter"), "20");
}

TEST_P(Contract, ReadersNeverSeeAMixture) {
  const string ones(200'000, '1'), twos(200'000, '2');
  ASSERT_TRUE(put("mixed", ones));
  std::atomic<bool> stop = false;
  std::jthread writer([&] {
    for (int i = 0; !stop; ++i) {
      if (!put("mixed", i % 2 == 0 ? twos : ones)) break;
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto read = get("mixed");
    if (!read) continue;  // replaced while it was read: an error is allowed, a mixture is not
    EXPECT_TRUE(*read == ones || *read == twos) << read->size();
  }
  stop = true;
}

TEST_P(Contract, SaysWhatIsNotThere) {
  EXPECT_CODE(Code::kNotFound, get("nothing"));
  EXPECT_CODE(Code::kNotFound, store_->head("nothing", kGoOn));
  EXPECT_TRUE(store_->remove("nothing", kGoOn));
  EXPECT_TRUE(store_->remove("nothing/below", kGoOn));
  EXPECT_TRUE(keys("nothing").empty());
}

TEST_P(Contract, ForgetsWhatIsRemoved) {
  ASSERT_TRUE(put("gone/deep/down", "x"));
  ASSERT_TRUE(store_->remove("gone/deep/down", kGoOn));
  EXPECT_CODE(Code::kNotFound, get("gone/deep/down"));
  EXPECT_TRUE(keys("gone").empty());
  EXPECT_TRUE(put("gone", "a name that was a folder's", Condition::absent()));
}

TEST_P(Contract, KeepsKeysAsTheyAre) {
  const std::vector<string> odd = {"a b",
                                   "a%20b",
                                   "a+b",
                                   "c&d=e?f#g",
                                   "quote'\"<>",
                                   "ünïcode/日本",
                                   "~tilde",
                                   "semi;colon,comma",
                                   "at@colon:dollar$(1)*"};
  for (const string& key : odd) {
    const auto written = put("odd/" + key, key);
    ASSERT_TRUE(written) << key << ": " << written.error().message;
  }
  for (const string& key : odd) EXPECT_EQ(text_of("odd/" + key), key);
  std::set<string> found;
  for (const string& key : keys("odd/")) found.insert(key.substr(4));
  EXPECT_EQ(found, std::set<string>(odd.begin(), odd.end()));
}

TEST_P(Contract, RefusesWhatIsNoKey) {
  for (const string& key : {string(), string("/a"), string("a/"), string("a//b"), string("../a"),
                            string("a/./b"), string("a\\b"), string("a\nb"), string("\xff"),
                            string(1001, 'a'), string(".serin/tmp/x"), string("a\0b", 3)}) {
    EXPECT_CODE(Code::kInvalidArgument, put(key, "x"));
    EXPECT_CODE(Code::kInvalidArgument, get(key));
    EXPECT_CODE(Code::kInvalidArgument, store_->head(key, kGoOn));
    EXPECT_CODE(Code::kInvalidArgument, store_->remove(key, kGoOn));
  }
}

TEST_P(Contract, ListsThousandsOfKeysOnceAndInOrder) {
  // Azurite takes 16 ms for each of 10,000 keys, and a folder syncs each to disk.
  const int kKeys = GetParam() == std::string_view("s3") ? 10'000 : 2'500;
  std::vector<string> put_keys;
  for (int i = 0; i < kKeys; ++i)
    put_keys.push_back("list/" + std::to_string(i % 100) + "/" + std::to_string(i));
  {
    std::vector<std::jthread> writers;
    std::atomic<std::size_t> next = 0;
    for (int i = 0; i < 8; ++i) {
      writers.emplace_back([&] {
        for (std::size_t at = next++; at < put_keys.size(); at = next++)
          EXPECT_TRUE(put(put_keys[at], "x"));
      });
    }
  }
  ASSERT_TRUE(put("lis", "x"));
  ASSERT_TRUE(put("listing", "x"));
  std::ranges::sort(put_keys);
  EXPECT_EQ(keys("list/"), put_keys);
  EXPECT_EQ(keys("list/42/").size(), put_keys.size() / 100);
  EXPECT_EQ(keys("list/7").size(), put_keys.size() / 100 * 11);
  EXPECT_EQ(keys("").size(), put_keys.size() + 2);
}

TEST_P(Contract, StopsWhenCancelled) {
  const CancelToken before;
  before.cancel();
  EXPECT_CODE(Code::kCancelled,
              store_->put("late", Body::bytes(pattern(1'000'000)), Condition::none(), before));
  EXPECT_CODE(Code::kNotFound, get("late"));
  ASSERT_TRUE(put("long", pattern(8'000'000)));
  const CancelToken during;
  const auto read = store_->get(
      "long", {},
      [&](std::string_view) -> Status {
        during.cancel();
        return {};
      },
      during);
  // A server's last piece may be there already.
  if (!read) EXPECT_EQ(read.error().code, Code::kCancelled);
}

TEST_P(Contract, EndsWithTheSinksOwnError) {
  ASSERT_TRUE(put("sink", pattern(100'000)));
  const auto read = store_->get(
      "sink", {}, [](std::string_view) -> Status { return fail(Code::kResourceExhausted, "full"); },
      kGoOn);
  EXPECT_CODE(Code::kResourceExhausted, read);
  EXPECT_EQ(read.error().message, "full");
}

INSTANTIATE_TEST_SUITE_P(Stores, Contract, testing::Values("folder", "s3", "azure"),
                         [](const auto& one) { return string(one.param); });

// What only a store at the other end of a connection can do.
class Remote : public Contract {};

TEST_P(Remote, RefusesAWrongSecret) {
  ASSERT_TRUE(put("secret", "x"));
  const auto store = world_->open_with_wrong_secret();
  for (const Code code :
       {get_from(*store, "secret").error().code,
        store->put("new", Body::bytes("x"), Condition::none(), kGoOn).error().code,
        store->list("", "", kGoOn).error().code}) {
    EXPECT_TRUE(code == Code::kUnauthenticated || code == Code::kPermissionDenied) << name_of(code);
  }
  EXPECT_CODE(Code::kNotFound, get("new"));
}

TEST_P(Remote, SaysThatThereIsNoSuchBucket) {
  const auto store = world_->open_elsewhere();
  EXPECT_CODE(Code::kNotFound, store->list("", "", kGoOn));
  EXPECT_CODE(Code::kNotFound, store->put("x", Body::bytes("x"), Condition::none(), kGoOn));
}

TEST_P(Remote, GoesOnWhereADownloadWasCut) {
  const string bytes = pattern(6'000'000);
  ASSERT_TRUE(put("cut", bytes));
  CuttingProxy proxy(world_->port(), {.down = 2'000'000, .times = 2});
  const auto store = world_->open(proxy.port());
  const auto read = get_from(*store, "cut");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(*read == bytes);
  EXPECT_EQ(proxy.cut(), 2);
}

TEST_P(Remote, DoesNotJoinTwoObjectsAtACut) {
  ASSERT_TRUE(put("joined", pattern(4'000'000, 1)));
  CuttingProxy proxy(world_->port(), {.down = 1'000'000, .at_cut = [&] {
                                        ASSERT_TRUE(put("joined", pattern(4'000'000, 2)));
                                      }});
  const auto store = world_->open(proxy.port());
  const auto read = get_from(*store, "joined");
  EXPECT_CODE(Code::kAborted, read);
  EXPECT_EQ(read.error().reason, "object_changed");
}

TEST_P(Remote, KnowsItsOwnPutWhenTheAnswerIsLost) {
  CuttingProxy proxy(world_->port(), {.down = 0});
  const auto store = world_->open(proxy.port());
  const auto written = store->put("mine", Body::bytes("mine"), Condition::absent(), kGoOn);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(proxy.cut(), 1);
  EXPECT_EQ(text_of("mine"), "mine");
  EXPECT_EQ(store_->head("mine", kGoOn)->etag, written->etag);
}

TEST_P(Remote, DoesNotTakeAnothersPutForItsOwn) {
  // The first attempt never arrives, and somebody else is quicker than the second.
  CuttingProxy proxy(world_->port(),
                     {.up = 0, .at_cut = [&] { ASSERT_TRUE(put("theirs", "theirs")); }});
  const auto store = world_->open(proxy.port());
  EXPECT_CODE(Code::kAborted,
              store->put("theirs", Body::bytes("theirs"), Condition::absent(), kGoOn));
}

TEST_P(Remote, GivesUpOnAServerThatIsNotThere) {
  std::uint16_t nobody = 0;
  {
    const CuttingProxy gone(world_->port(), {});
    nobody = gone.port();
  }
  EXPECT_CODE(Code::kUnavailable, get_from(*world_->open(nobody), "x"));
}

TEST_P(Remote, KilledInAnUploadLeavesNothingVisible) {
  const pid_t parent = getpid();
  std::atomic<pid_t> child = 0;
  CuttingProxy proxy(world_->port(), {.up = GetParam() == std::string_view("s3") ? kPartForTest / 2
                                                                                 : 2 * kPartForTest,
                                      .at_cut = [&] {
                                        while (child == 0) std::this_thread::yield();
                                        ::kill(child, SIGKILL);
                                      }});
  const pid_t forked = ::fork();
  if (forked == 0) {
    const auto store = world_->open(proxy.port());
    (void)store->put("killed", Body::bytes(pattern(4 * kPartForTest)), Condition::none(), kGoOn);
    ::_exit(0);
  }
  child = forked;
  int status = 0;
  ASSERT_EQ(::waitpid(forked, &status, 0), forked);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(getpid(), parent);
  EXPECT_CODE(Code::kNotFound, get("killed"));
  EXPECT_TRUE(keys("").empty());
  const auto later = put("killed", "later", Condition::absent());
  EXPECT_TRUE(later) << later.error().message;
}

TEST(AzureSas, AllowsWhatItWasMadeFor) {
  AzureForTest world;
  const auto writer = world.open_with_sas("rcwdl");
  const auto written = writer->put("a", Body::bytes("x"), Condition::absent(), kGoOn);
  ASSERT_TRUE(written) << written.error().message;
  const auto reader = world.open_with_sas("r");
  EXPECT_EQ(*get_bytes(*reader, "a", 10), "x");
  const auto refused = reader->put("a", Body::bytes("y"), Condition::none(), kGoOn);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied) << refused.error().message;
}

INSTANTIATE_TEST_SUITE_P(Stores, Remote, testing::Values("s3", "azure"),
                         [](const auto& one) { return string(one.param); });

}  // namespace
}  // namespace serin::objects
