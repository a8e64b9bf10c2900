// SPDX-License-Identifier: Apache-2.0
// What is found out of a .pt2 file before Python may read it; no PyTorch.
#include "backends/torch/exported_program.h"

#include <gtest/gtest.h>

#include "backends/torch/program_names.h"

namespace serin::backends {
namespace {

using model::kBatchDimension;

Result<std::vector<ExportedProgram>> programs_of(const std::string& file) {
  SERIN_TRY_ASSIGN(const auto archive,
                   Archive::open(std::filesystem::path(SERIN_TESTDATA) / "exported" / file));
  return read_programs(archive);
}

ExportedProgram program_of(const std::string& file) {
  auto programs = programs_of(file);
  EXPECT_TRUE(programs.has_value()) << programs.error().message;
  return programs ? (*programs)[0] : ExportedProgram{};
}

model::Call call_of(Shape argument, Shape result) {
  model::Call call;
  call.method = "forward";
  call.arguments = {{"x", "", DType::kFloat32, std::move(argument)}};
  call.results = {{"y", DType::kFloat32, std::move(result)}};
  return call;
}

TEST(ExportedProgramFile, SaysItsMethodsAndWhatTheyTakeAndGive) {
  const auto programs = programs_of("affine.pt2");
  ASSERT_TRUE(programs.has_value()) << programs.error().message;
  ASSERT_EQ(programs->size(), 2U);
  const auto forward = find_method(*programs, "forward");
  ASSERT_TRUE(forward.has_value());
  EXPECT_EQ((*forward)->name, "model");
  ASSERT_EQ((*forward)->arguments.size(), 1U);
  EXPECT_EQ((*forward)->arguments[0].name, "x");
  EXPECT_FALSE((*forward)->arguments[0].shape[0].fixed());
  EXPECT_EQ((*forward)->arguments[0].shape[1].least, 4);
  EXPECT_EQ((*forward)->results[0].name, "result");
  EXPECT_EQ((*forward)->weight_bytes, 15 * sizeof(float));
  const auto named = find_method(*programs, "named");
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ((*named)->results[0].name, "twice");
  EXPECT_EQ((*named)->results[1].name, "sum");
  EXPECT_EQ(find_method(*programs, "nothing").error().message,
            "the model has no method \"nothing\"; it has forward, named");
}

TEST(ExportedProgramFile, IsHeldAgainstWhatThePackageDeclares) {
  const ExportedProgram program = program_of("identity.pt2");
  EXPECT_TRUE(check_call(program, call_of({kBatchDimension, 4}, {kBatchDimension, 4})).has_value());
  EXPECT_EQ(
      check_call(program, call_of({kBatchDimension, 5}, {kBatchDimension, 4})).error().message,
      "the program takes x as float32 [s77, 4], the package declares argument x as float32 "
      "[N, 5]");
  EXPECT_FALSE(check_call(program, call_of({kBatchDimension}, {kBatchDimension, 4})).has_value());
  EXPECT_FALSE(
      check_call(program, call_of({kBatchDimension, 4}, {kBatchDimension, 3})).has_value());
  model::Call two = call_of({kBatchDimension, 4}, {kBatchDimension, 4});
  two.arguments.push_back(two.arguments[0]);
  EXPECT_EQ(check_call(program, two).error().param, "call.arguments");
}

TEST(ExportedProgramFile, RunsOnlyTheSizesThatItWasExportedFor) {
  const ExportedProgram few = program_of("few.pt2"), fixed = program_of("static.pt2");
  const auto fits = [](const ExportedProgram& program, std::int64_t batch) {
    return check_shapes(program, std::vector<Shape>{{batch, 4}}).has_value();
  };
  EXPECT_FALSE(fits(few, 1));
  EXPECT_TRUE(fits(few, 2));
  EXPECT_TRUE(fits(few, 3));
  EXPECT_FALSE(fits(few, 4));
  EXPECT_FALSE(fits(fixed, 1));
  EXPECT_TRUE(fits(fixed, 2));
  EXPECT_FALSE(fits(fixed, 3));
  EXPECT_NE(check_shapes(few, std::vector<Shape>{{4, 4}}).error().message.find("batching.sizes"),
            std::string::npos);
  const ExportedProgram counter = program_of("counter.pt2");  // both of one batch
  EXPECT_TRUE(check_shapes(counter, std::vector<Shape>{{2, 4}, {2, 4}}).has_value());
  EXPECT_FALSE(check_shapes(counter, std::vector<Shape>{{2, 4}, {3, 4}}).has_value());
}

TEST(ExportedProgramFile, WithAnythingButArithmeticIsRefusedByName) {
  const std::pair<const char*, const char*> table[] = {
      {"machine_code.pt2", "machine code"},
      {"saves.pt2", "torch.save"},
      {"reads.pt2", "torch.ops.aten.from_file.default"},
      {"evil_size.pt2", "__import__"},
      {"evil_container.pt2", "os.PathLike"},
      {"pickled_weights.pt2", "are a pickle"},
  };
  for (const auto& [file, name] : table) {
    const auto programs = programs_of(file);
    ASSERT_FALSE(programs.has_value()) << file;
    EXPECT_EQ(programs.error().code, Code::kPermissionDenied) << file;
    EXPECT_NE(programs.error().message.find(name), std::string::npos) << programs.error().message;
  }
  const auto strided = programs_of("channels_last.pt2");
  ASSERT_FALSE(strided.has_value());
  EXPECT_NE(strided.error().message.find("contiguous"), std::string::npos);
  // Sample inputs are pickles that nobody reads.
  EXPECT_TRUE(programs_of("evil_samples.pt2").has_value());
}

TEST(ExportedProgramFile, SaysWhichWeightsHoldANan) {
  const auto archive =
      Archive::open(std::filesystem::path(SERIN_TESTDATA) / "exported" / "nan.pt2");
  ASSERT_TRUE(archive.has_value());
  const Status checked = check_weights(*archive, program_of("nan.pt2"));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, Code::kDataLoss);
  EXPECT_EQ(checked.error().message, "the weights linear.bias hold a NaN");
}

TEST(Targets, AreArithmetic) {
  for (const char* target :
       {"torch.ops.aten.add.Tensor", "torch.ops.aten.sym_size.int", "_operator.getitem",
        "math.ceil", "torch.sym_max", "torch._sym_sqrt", "torch.ops.higher_order.cond"}) {
    EXPECT_TRUE(is_allowed_target(target)) << target;
  }
  for (const char* target :
       {"", "torch.load", "torch.hub.load", "torch.ops.aten.from_file.default",
        "torch.ops.aten.add", "torch.ops.load_library", "torch.ops.aten.__class__.default",
        "torch.ops.mine.run.default", "_operator.attrgetter", "_operator.methodcaller",
        "math.__loader__.load_module", "os.system", "#ext:x",
        "torch.ops.higher_order.triton_kernel_wrapper_functional", "torch.sym_max.__globals__"}) {
    EXPECT_FALSE(is_allowed_target(target)) << target;
  }
}

TEST(Sizes, AreExpressionsOfSymbols) {
  for (const char* text :
       {"s0", "2*s0", "Symbol('s77', positive=True, integer=True)",
        "Mul(Integer(2), Symbol('s53', positive=True, integer=True))",
        "FloorDiv(Add(Symbol('s0'), Integer(-1)), Integer(2))", "Max(1, s1)", "u0 + 3"}) {
    EXPECT_TRUE(is_plain_expression(text)) << text;
  }
  for (const char* text :
       {"", "__import__('os')", "eval('1')", "Symbol('os.system')", "s0.__class__",
        "[x for x in s0]", "lambda: 0", "open('s0')", "Symbol(\"s0\")", "exec", "s0 if s1 else s2",
        "Symbol('s0", "f'{s0}'", "s0;s1", "Integer(1)\n"}) {
    EXPECT_FALSE(is_plain_expression(text)) << text;
  }
}

}  // namespace
}  // namespace serin::backends
