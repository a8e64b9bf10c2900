// SPDX-License-Identifier: Apache-2.0
// The looks at a .pt file that need no PyTorch: archive, pickles, source.
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/torch/archive.h"
#include "backends/torch/pickle_scan.h"
#include "backends/torch/source_scan.h"
#include "base/files.h"

namespace serin::backends {
namespace {

const std::filesystem::path kFiles = std::filesystem::path(SERIN_TESTDATA) / "torch";

TEST(ArchiveType, ListsAndReadsWhatPyTorchWrote) {
  const auto archive = Archive::open(kFiles / "affine.pt");
  ASSERT_TRUE(archive.has_value()) << archive.error().message;
  EXPECT_EQ(form_of(*archive), FileForm::kTorchScript);
  const ArchiveEntry* version = archive->find("version");
  ASSERT_NE(version, nullptr);
  EXPECT_EQ(*archive->read(*version), "3\n");
  EXPECT_NE(archive->read(*archive->find("code/__torch__.py"))->find("class Affine"),
            std::string::npos);
}

TEST(ArchiveType, TellsTheFormsApart) {
  EXPECT_EQ(form_of(*Archive::open(kFiles / "state_dict.pt")), FileForm::kPickledModule);
  EXPECT_EQ(form_of(*Archive::open(kFiles / "../exported/identity.pt2")),
            FileForm::kExportedProgram);
}

TEST(ArchiveType, RefusesEveryTruncationAndSurvivesEveryFlippedByte) {
  const auto folder = TemporaryDirectory::create();
  const auto path = folder->path() / "a.pt";
  const std::string whole = *read_file(kFiles / "affine.pt");
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    ASSERT_TRUE(write_file(path, whole.substr(0, size)).has_value());
    EXPECT_FALSE(Archive::open(path).has_value()) << size;
  }
  const std::size_t directory = whole.find("PK\x01\x02");
  for (std::size_t i = directory; i < whole.size(); i += 11) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 0xff);
    ASSERT_TRUE(write_file(path, flipped).has_value());
    const auto archive = Archive::open(path);
    if (!archive) continue;
    for (const ArchiveEntry& entry : archive->entries()) static_cast<void>(archive->read(entry));
  }
}

TEST(SafeNames, StayInTheArchive) {
  for (const char* name : {"a", "a/b.py", "a/.data/b", "a..b"})
    EXPECT_TRUE(is_safe_name(name)) << name;
  for (const char* name : {"", "/a", "..", "../a", "a/../b", "a/..", "./a", "a\\b"})
    EXPECT_FALSE(is_safe_name(name)) << name;
  EXPECT_FALSE(is_safe_name(std::string_view("a\0b", 3)));
}

TEST(PickleGlobals, AreFoundWithoutRunningAnything) {
  const auto archive = Archive::open(kFiles / "affine.pt");
  ASSERT_TRUE(archive.has_value()) << archive.error().message;
  const auto globals = pickle_globals(*archive->read(*archive->find("data.pkl")));
  ASSERT_TRUE(globals.has_value()) << globals.error().message;
  EXPECT_NE(std::find(globals->begin(), globals->end(), "torch._utils._rebuild_tensor_v2"),
            globals->end());
  EXPECT_NE(std::find(globals->begin(), globals->end(), "__torch__.Affine"), globals->end());
  EXPECT_TRUE(std::all_of(globals->begin(), globals->end(),
                          [](const auto& name) { return is_known_torchscript_global(name); }));
}

TEST(PickleGlobals, OfAnAttackAreNotKnown) {
  const auto globals = pickle_globals(
      "\x80\x02"
      "cos\nsystem\nX\x04" +
      std::string(3, '\0') + "true\x85R.");
  ASSERT_TRUE(globals.has_value()) << globals.error().message;
  EXPECT_EQ(*globals, std::vector<std::string>{"os.system"});
  for (const char* name :
       {"os.system", "builtins.eval", "torch.load", "torch.hub.FloatStorage",
        "__torch__.torch.classes.rpc.Worker", "torch._utils._import_dotted_name"}) {
    EXPECT_FALSE(is_known_torchscript_global(name)) << name;
  }
  for (const char* name : {"torch.FloatStorage", "torch.BFloat16Storage", "__torch__.a.B",
                           "__torch__.torch.classes.quantized.LinearPackedParamsBase"}) {
    EXPECT_TRUE(is_known_torchscript_global(name)) << name;
  }
}

TEST(PickleGlobals, CannotBeHiddenInOtherInstructions) {
  EXPECT_EQ(pickle_globals("\x80\x04\x8c\x02os\x8c\x06system\x93.").error().code,
            Code::kPermissionDenied);
  EXPECT_EQ(pickle_globals("(ios\nsystem\n.").error().code, Code::kPermissionDenied);
  EXPECT_EQ(pickle_globals("\x82\x01.").error().code, Code::kPermissionDenied);
  // What looks like an instruction inside a string is none, and the other way round.
  EXPECT_TRUE(pickle_globals("U\x0b"
                             "cos\nsystem\n.")
                  ->empty());
  EXPECT_EQ(pickle_globals("U\x01"
                           "x"
                           "cos\nsystem\n.")
                ->size(),
            1u);
}

TEST(PickleGlobals, RefuseWhatIsCutOff) {
  for (const char* bytes : {"", "\x80", "c", "cos\n", "X\xff\xff\xff\xff", "I1",
                            "\x8c\x05"
                            "ab",
                            "N", "\xff"}) {
    EXPECT_EQ(pickle_globals(bytes).error().code, Code::kInvalidArgument) << bytes;
  }
}

TEST(SourceScan, LetsModelsBe) {
  for (const char* code : {
           "def forward(self, x: Tensor) -> Tensor:\n  return torch.add(x, ops.aten.size(x, 0))\n",
           "  _0 = getattr(self, \"0\")\n  return (_0).forward(x)\n",
           "  # torch.save(x)\n  a = \"torch.save(x)\"\n  raise Exception(\"x.from_file(\")",
           "  return ops.quantized.linear(x, self.packed)",
           "__torch__.torch.classes.quantized.LinearPackedParamsBase",
           "self.ops.c10d.weight, self.saved, self.save_weights, torch.save_it",
       }) {
    EXPECT_FALSE(forbidden_in_source(code).has_value()) << code << *forbidden_in_source(code);
  }
}

TEST(SourceScan, FindsForbiddenOperationsHoweverTheyAreWritten) {
  const std::pair<const char*, const char*> table[] = {
      {"torch.save(x, \"f\")", "aten::save"},
      {"ops.aten.save(x, \"f\")", "aten::save"},
      {"torch.ops.aten.from_file(\"f\")", "aten::from_file"},
      {"(x + 1).save(\"f\")", "aten::save"},
      {"x\n  .  save(\"f\")", "aten::save"},
      {"x.\\\n save(\"f\")", "aten::save"},
      {"getattr(x, \"save\")(\"f\")", "aten::save"},
      {"getattr(torch, 'from_file')", "aten::from_file"},
      {"torch.from_file(\"f\")", "aten::from_file"},
      {"ops.c10d.send(x)", "c10d::send"},
      {"torch.ops.inductor._alloc_from_pool(x)", "inductor::_alloc_from_pool"},
      {"ops.prim.rpc_async(x)", "prim::rpc_async"},
      {"ops.mine.anything(x)", "mine::anything"},
      {"__torch__.torch.classes.dist_rpc.WorkerInfo", "torch.classes.dist_rpc"},
      {"a = \"\\\"\"; torch.save(x)", "aten::save"},
      {"a = '''it's'''; torch.save(x)", "aten::save"},
  };
  for (const auto& [code, name] : table)
    EXPECT_EQ(forbidden_in_source(code).value_or("nothing"), name) << code;
}

TEST(AllowedOperations, AreArithmetic) {
  for (const char* name : {"aten::add", "prim::If", "prim::Constant", "quantized::linear"})
    EXPECT_TRUE(is_allowed_operation(name)) << name;
  for (const char* name : {"aten::save", "aten::from_file", "prim::PythonOp", "c10d::send",
                           "cuda::set_stream", "mine::op", "add"}) {
    EXPECT_FALSE(is_allowed_operation(name)) << name;
  }
}

}  // namespace
}  // namespace serin::backends
