// SPDX-License-Identifier: Apache-2.0
// What needs no framework; tests/model imports real models.
#include "model/import.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "base/subprocess.h"
#include "model/import_sandbox.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

class ImportTest : public testing::Test {
 protected:
  fs::path path(std::string_view name) const { return directory_.path() / name; }
  void write(const fs::path& name, std::string_view bytes) const {
    fs::create_directories((directory_.path() / name).parent_path());
    std::ofstream(directory_.path() / name, std::ios::binary) << bytes;
  }
  // A zip file with these names, each empty.
  void zip(const std::string& name, const std::vector<std::string>& names) const {
    std::string script = "import zipfile\nz = zipfile.ZipFile('" + name + "', 'w')\n";
    for (const std::string& one : names) script += "z.writestr('" + one + "', 'x')\n";
    const auto exit = run_command(
        {.arguments = {"python3", "-c", script + "z.close()"}, .directory = directory_.path()},
        std::chrono::seconds(30));
    ASSERT_TRUE(exit.has_value() && exit->ok());
  }
  std::string kind(std::string_view name) const {
    const auto found = recognise(path(name));
    return found ? std::string(name_of(*found)) : found.error().message;
  }

  TemporaryDirectory directory_ = TemporaryDirectory::create("import").value();
};

TEST_F(ImportTest, RecognisesAModelByWhatItHolds) {
  zip("a", {"m/data/0", "m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"});
  zip("b", {"m/data.pkl", "m/data/0"});
  zip("c", {"m/data/weights/weight_0", "m/models/model.json", "m/archive_format"});
  zip("d", {"metadata.json", "config.json", "model.weights.h5"});
  write("e", "\x89HDF\r\n\x1a\nrest");
  write("f/saved_model.pb", "x");
  write("g", std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20", 10));
  EXPECT_EQ(kind("a"), "TorchScript");
  EXPECT_EQ(kind("b"), "a pickled PyTorch module or state_dict");
  EXPECT_EQ(kind("c"), "an exported PyTorch program");
  EXPECT_EQ(kind("d"), "a Keras model");
  EXPECT_EQ(kind("e"), "a Keras model");
  EXPECT_EQ(kind("f"), "a TensorFlow SavedModel");
  EXPECT_EQ(kind("g"), "a pickled PyTorch module or state_dict");
}

TEST_F(ImportTest, SaysWhatItCannotImport) {
  write("text.pt", "hello");
  write("empty.pt", "");
  fs::create_directory(path("folder"));
  zip("other.zip", {"readme.txt"});
  zip("aoti.pt2", {"m/data/aotinductor/model/x.so"});
  EXPECT_NE(kind("text.pt").find("is not a model that Serin knows; TorchScript (.pt)"),
            std::string::npos);
  EXPECT_NE(kind("empty.pt").find("is not a model that Serin knows"), std::string::npos);
  EXPECT_NE(kind("folder").find("is a folder without saved_model.pb"), std::string::npos);
  EXPECT_NE(kind("other.zip").find("is a zip file with no model in it"), std::string::npos);
  EXPECT_NE(kind("aoti.pt2").find("machine code"), std::string::npos);
  EXPECT_NE(kind("nothing").find("there is no such file or folder"), std::string::npos);
}

TEST_F(ImportTest, AsksForTheClassOfAPickle) {
  zip("weights.pt", {"m/data.pkl", "m/data/0"});
  const auto imported =
      import_model({.source = path("weights.pt"), .output = path("out"), .exporter = path(".")});
  ASSERT_FALSE(imported.has_value());
  EXPECT_NE(imported.error().message.find("name it with --class FILE:CLASS"), std::string::npos)
      << imported.error().message;
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(ImportTest, MakesNoFolderAboveThePackage) {
  zip("a.pt", {"m/code/__torch__.py", "m/constants.pkl"});
  const auto imported =
      import_model({.source = path("a.pt"), .output = path("nowhere/x/y"), .exporter = path(".")});
  ASSERT_FALSE(imported.has_value());
  EXPECT_NE(imported.error().message.find("there is no folder " + path("nowhere/x").string()),
            std::string::npos)
      << imported.error().message;
  EXPECT_FALSE(fs::exists(path("nowhere")));
}

TEST_F(ImportTest, TakesNoClassWhereNoneIsNeeded) {
  zip("a.pt", {"m/code/__torch__.py", "m/constants.pkl"});
  write("net.py", "class Net: pass\n");
  const auto imported = import_model({.source = path("a.pt"),
                                      .output = path("out"),
                                      .class_name = path("net.py").string() + ":Net",
                                      .exporter = path(".")});
  ASSERT_FALSE(imported.has_value());
  EXPECT_NE(imported.error().message.find("is TorchScript, which needs no Python class"),
            std::string::npos)
      << imported.error().message;
}

TEST(InputShape, IsReadFromAnOption) {
  const auto shape = parse_input_shape("x=float32[N, 3,64,64]");
  ASSERT_TRUE(shape.has_value()) << shape.error().message;
  EXPECT_EQ(shape->name, "x");
  EXPECT_EQ(shape->dtype, DType::kFloat32);
  EXPECT_EQ(shape->shape, (Shape{kBatchDimension, 3, 64, 64}));
  EXPECT_EQ(parse_input_shape("label=int64[N]")->shape, (Shape{kBatchDimension}));
  for (const std::string_view wrong :
       {"", "x", "x=float32", "x=float32[]", "x=float32[3]", "=float32[N]", "x=float[N]",
        "x=float32[N,]", "x=float32[N,0]", "x=float32[N,N]", "x=float32[N,-1]", "x=float32[N,3",
        "x]=float32[N"}) {
    EXPECT_FALSE(parse_input_shape(wrong).has_value()) << wrong;
  }
}

TEST(InputShape, SaysWhichPartIsWrong) {
  for (const auto& [text, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"x=float[N,4]", ": \"float\" is no dtype; there are float32, float16, "},
           {"x=float32[3,4]", ": the first size must be N, the batch"},
           {"x=float32[N,H]", ": \"H\" is no size; it must be a whole number from 1"}}) {
    const auto shape = parse_input_shape(text);
    ASSERT_FALSE(shape.has_value()) << text;
    EXPECT_NE(shape.error().message.find(why), std::string::npos) << shape.error().message;
  }
}

using Value = ModelSignature::Value;

// The draft's text, as the reader of packages accepts it.
std::string drafted(const ModelSignature& signature) {
  const Draft draft = draft_manifest("drafted", EngineKind::kTorch, "model.pt", signature);
  const std::string text = write_manifest(draft.manifest, draft.remarks);
  const auto parsed = parse_draft(text);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message << "\n" << text;
  return text;
}

TEST(Draft, MakesNoiseAndANumberIntoAPicture) {
  const std::string text = drafted(
      {.method = "forward",
       .arguments = {{"z", DType::kFloat32, {-1, 32}, {}, {}}, {"y", DType::kInt64, {-1}, {}, {}}},
       .results = {{"image", DType::kFloat32, {-1, 3, 64, 64}, -0.9, 0.9}}});
  EXPECT_NE(text.find("task: image-generation\n"), std::string::npos);
  EXPECT_NE(text.find("- {name: z, kind: noise, distribution: normal, shape: [32]}"),
            std::string::npos);
  EXPECT_NE(text.find("- {name: y, kind: number, default: 0, min: 0, integer: true}"),
            std::string::npos);
  EXPECT_NE(text.find("# Guessed: an integer. If it is an index, make it a label"),
            std::string::npos);
  EXPECT_NE(text.find("- {name: image, kind: image, result: image, layout: CHW, range: [-1, 1]}"),
            std::string::npos)
      << text;
}

TEST(Draft, MakesSoundVideoAndTensors) {
  const auto result = [](const Shape& shape) {
    return drafted({.method = "forward",
                    .arguments = {{"z", DType::kFloat32, {-1, 8}, {}, {}}},
                    .results = {{"r", DType::kFloat32, shape, 0.0, 1.0}}});
  };
  EXPECT_NE(result({-1, 16000}).find("kind: audio, result: r, layout: T, sampleRate: 16000"),
            std::string::npos);
  EXPECT_NE(result({-1, 2, 16000}).find("kind: audio, result: r, layout: CT"), std::string::npos);
  EXPECT_NE(result({-1, 16, 1, 32, 32})
                .find("kind: video, result: r, layout: TCHW, range: [0, 1], frameRate: 8"),
            std::string::npos);
  EXPECT_NE(result({-1, 16, 32, 32, 3}).find("layout: THWC"), std::string::npos);
  EXPECT_NE(result({-1, 32, 32, 3}).find("layout: HWC"), std::string::npos);
  EXPECT_NE(result({-1, 10}).find("task: inference\n"), std::string::npos);
}

TEST(Draft, PutsTheMediumFirst) {
  const std::string text =
      drafted({.method = "forward",
               .arguments = {{"z", DType::kFloat32, {-1, 8}, {}, {}}},
               .results = {{"logits", DType::kFloat32, {-1, 10}, {}, {}},
                           {"image", DType::kFloat32, {-1, 1, 8, 8}, {}, {}}}});
  EXPECT_LT(text.find("- {name: image, kind: image"), text.find("- {name: logits, kind: tensor"));
}

TEST(Draft, NamesInputsAsKeysOfRequests) {
  const std::string text = drafted({.method = "serving_default",
                                    .batch = 8,
                                    .arguments = {{"seed", DType::kFloat32, {-1, 8}, {}, {}},
                                                  {"a:0", DType::kInt32, {-1, 4}, {}, {}},
                                                  {"a/0", DType::kBool, {-1}, {}, {}}},
                                    .results = {{"0", DType::kFloat32, {-1, 2}, {}, {}}}});
  EXPECT_NE(text.find("- {name: \"a:0\", input: a_0, dtype: int32, shape: [N, 4]}"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("- {name: a/0, input: a_0_2, dtype: bool, shape: [N]}"), std::string::npos)
      << text;
  EXPECT_NE(text.find("input: seed_in"), std::string::npos) << text;
  EXPECT_NE(text.find("batching: {sizes: [8]"), std::string::npos) << text;
}

TEST(PackageName, IsMadeOfAnyText) {
  EXPECT_EQ(package_name("My Model_v2"), "my-model-v2");
  EXPECT_EQ(package_name("__"), "model");
  EXPECT_EQ(package_name(std::string(100, 'a')).size(), 63U);
}

// What a hostile model file would do, each on its own line of output: "socket no", "socket YES".
constexpr std::string_view kHostile = R"py(
import os, socket
def attempt(name, what):
    try:
        what()
        print(name, 'YES', flush=True)
    except (OSError, PermissionError) as error:
        print(name, 'no', flush=True)
attempt('socket', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
attempt('unix', lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
attempt('shadow', lambda: open('/etc/shadow').read())
attempt('passwd', lambda: open('/etc/passwd').read())
attempt('secret', lambda: open(os.environ['SECRET']).read())
attempt('home', lambda: open(os.environ['REAL_HOME'] + '/serin-was-here', 'w').write('x'))
attempt('tmp', lambda: open('/tmp/serin-was-here', 'w').write('x'))
attempt('usr', lambda: open('/usr/serin-was-here', 'w').write('x'))
attempt('environ', lambda: open('/proc/%d/environ' % os.getppid()).read())
attempt('parent', lambda: os.kill(int(os.environ['VICTIM']), 9))
attempt('own', lambda: open('mine', 'w').write('x'))
attempt('ownhome', lambda: open(os.path.expanduser('~/mine2'), 'w').write('x'))
)py";

TEST_F(ImportTest, ConfinesWhatAModelFileDoes) {
  write("secret.txt", "secret");
  fs::create_directory(path("work"));
  fs::create_directory(path("home"));
  auto victim = Subprocess::start({.arguments = {"sleep", "60"}});
  ASSERT_TRUE(victim.has_value());
  write("work/hostile.py", kHostile);
  const auto exit = run_confined({.arguments = {"/usr/bin/python3", "hostile.py"},
                                  .readable = {},
                                  .folder = path("work"),
                                  .environment = {{"SECRET", path("secret.txt").string()},
                                                  {"REAL_HOME", path("home").string()},
                                                  {"VICTIM", std::to_string(victim->pid())}},
                                  .deadline = std::chrono::seconds(60)});
  ASSERT_TRUE(exit.has_value()) << exit.error().message;
  EXPECT_EQ(exit->code, 0);
  EXPECT_EQ(exit->output,
            "socket no\nunix no\nshadow no\npasswd no\nsecret no\nhome no\ntmp no\nusr no\nenviron "
            "no\nparent no\nown YES\nownhome YES\n");
  EXPECT_TRUE(victim->running());
  EXPECT_TRUE(fs::is_empty(path("home")));
  EXPECT_FALSE(fs::exists("/tmp/serin-was-here"));
}

TEST_F(ImportTest, EndsWhatRunsTooLongWithAllItsChildren) {
  fs::create_directory(path("work"));
  const auto exit =
      run_confined({.arguments = {"/bin/sh", "-c", "(setsid sleep 45 &) ; echo started; sleep 45"},
                    .readable = {},
                    .folder = path("work"),
                    .deadline = std::chrono::seconds(5)});
  ASSERT_TRUE(exit.has_value()) << exit.error().message;
  EXPECT_TRUE(exit->timed_out);
  EXPECT_EQ(exit->output, "started\n");
}

TEST_F(ImportTest, ReportsACommandThatDoesNotExist) {
  fs::create_directory(path("work"));
  const auto exit = run_confined(
      {.arguments = {"/usr/bin/no-such-program"}, .readable = {}, .folder = path("work")});
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->code, 126);
  EXPECT_EQ(exit->output, "cannot start the program\n");
}

}  // namespace
}  // namespace serin::model
