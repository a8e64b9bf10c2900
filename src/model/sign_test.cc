// SPDX-License-Identifier: Apache-2.0
#include "model/sign.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "base/base64.h"
#include "base/files.h"
#include "base/subprocess.h"
#include "model/attestation.h"
#include "model/package_samples.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

class SignTest : public testing::Test {
 protected:
  void SetUp() override {
    make_key("key", "P-256");
    package_ = samples::make_package(path("small"));
  }
  fs::path path(std::string_view name) const { return directory_.path() / name; }
  void openssl(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command{"openssl"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const auto exit = run_command({.arguments = command, .directory = directory_.path()},
                                  std::chrono::seconds(30));
    ASSERT_TRUE(exit.has_value() && exit->ok()) << (exit ? exit->errors : exit.error().message);
  }
  void make_key(const std::string& name, const std::string& curve) const {
    openssl({"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve, "-out",
             name + ".pem"});
    openssl({"pkey", "-in", name + ".pem", "-pubout", "-out", name + ".pub"});
  }
  // ca.crt → middle.crt → leaf.crt, with the extensions of `leaf`.
  void make_chain(const std::string& leaf_extensions) const {
    ASSERT_TRUE(
        write_file(path("ca.ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"));
    ASSERT_TRUE(write_file(path("leaf.ext"), leaf_extensions));
    for (const char* name : {"ca", "middle", "leaf"}) make_key(name, "P-384");
    openssl({"req", "-x509", "-new", "-key", "ca.pem", "-subj", "/CN=Root", "-days", "2", "-out",
             "ca.crt"});
    openssl({"req", "-new", "-key", "middle.pem", "-subj", "/CN=Middle", "-out", "middle.csr"});
    openssl({"x509", "-req", "-in", "middle.csr", "-CA", "ca.crt", "-CAkey", "ca.pem",
             "-CAcreateserial", "-extfile", "ca.ext", "-out", "middle.crt"});
    openssl({"req", "-new", "-key", "leaf.pem", "-subj", "/CN=Signer", "-out", "leaf.csr"});
    openssl({"x509", "-req", "-in", "leaf.csr", "-CA", "middle.crt", "-CAkey", "middle.pem",
             "-CAcreateserial", "-extfile", "leaf.ext", "-out", "leaf.crt"});
  }
  void sign(const std::string& key, const std::vector<fs::path>& certificates = {}) const {
    const auto loaded = SigningKey::load(path(key + ".pem"), {}, certificates);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    ASSERT_TRUE(sign_package(package_, *loaded));
  }
  std::string verified(const std::string& trusted) const {
    const auto trust = Trust::load(path(trusted));
    if (!trust) return trust.error().message;
    const auto signer = verify_signature(package_, *trust);
    const std::string prefix = package_.root.string() + ": ";
    if (signer) return *signer;
    return signer.error().message.starts_with(prefix) ? signer.error().message.substr(prefix.size())
                                                      : signer.error().message;
  }

  TemporaryDirectory directory_ = TemporaryDirectory::create("sign").value();
  Package package_;
};

TEST_F(SignTest, VerifiesWhatItSigned) {
  for (const std::string curve : {"P-256", "P-384", "P-521"}) {
    make_key("other", curve);
    sign("other");
    EXPECT_TRUE(verified("other.pub").starts_with("public key "))
        << curve << ": " << verified("other.pub");
  }
  EXPECT_TRUE(open_package(package_.root, Verify::kDigests).has_value());
}

TEST_F(SignTest, RefusesAnUnsignedPackage) {
  EXPECT_EQ(verified("key.pub"), "is not signed: there is no model.sig");
}

TEST_F(SignTest, RefusesAnotherKey) {
  sign("key");
  make_key("other", "P-256");
  EXPECT_NE(verified("other.pub").find("is signed by the key "), std::string::npos)
      << verified("other.pub");
}

TEST_F(SignTest, RefusesAPackageThatChangedAfterItWasSigned) {
  sign("key");
  ASSERT_TRUE(write_file(package_.root / "model.pt", "WEIGHTS"));
  package_ = seal_package(package_.root).value();
  EXPECT_EQ(verified("key.pub"), "model.pt: is not the file that was signed");
  ASSERT_TRUE(write_file(package_.root / "model.pt", "weights"));
  ASSERT_TRUE(write_file(package_.root / "a.txt", "new"));
  package_ = seal_package(package_.root).value();
  EXPECT_EQ(verified("key.pub"), "a.txt: is not covered by the signature");
}

TEST_F(SignTest, SaysWithoutATrustThatASignatureIsOfSomethingElse) {
  sign("key");
  EXPECT_TRUE(check_covers(*read_signature(package_).value(), package_));
  const std::string yaml = read_file(package_.root / "model.yaml").value();
  ASSERT_TRUE(write_file(package_.root / "model.yaml", yaml + "description: Another.\n"));
  package_ = seal_package(package_.root).value();
  const auto stale = check_covers(*read_signature(package_).value(), package_);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().message,
            "model.sig: model.yaml: is not the file that was signed; `serin package sign` signs "
            "what is there now");
}

TEST_F(SignTest, CoversEveryByteOfModelYaml) {
  sign("key");
  const std::string yaml = read_file(package_.root / "model.yaml").value();
  ASSERT_TRUE(write_file(package_.root / "model.yaml", yaml + "# a remark\n"));
  package_ = open_package(package_.root, Verify::kDigests).value();
  EXPECT_EQ(verified("key.pub"), "model.yaml: is not the file that was signed");
}

TEST_F(SignTest, RefusesAFileThatWasSignedAndIsGone) {
  sign("key");
  fs::remove(package_.root / "golden/0.y.npy");
  package_.manifest.files.erase(package_.manifest.files.begin());
  EXPECT_EQ(verified("key.pub"), "golden/0.y.npy: was signed and is missing");
}

TEST_F(SignTest, RefusesAnAlteredStatement) {
  sign("key");
  auto bundle = json::parse(read_file(package_.root / "model.sig").value()).as_object();
  auto& payload = bundle["dsseEnvelope"].as_object()["payload"];
  std::string statement = from_base64(std::string_view(payload.as_string())).value();
  statement.replace(statement.find("\"small\""), 7, "\"large\"");
  payload = to_base64(statement);
  ASSERT_TRUE(write_file(package_.root / "model.sig", json::serialize(bundle)));
  EXPECT_NE(verified("key.pub").find("its signature is not by the trusted key"), std::string::npos)
      << verified("key.pub");
}

TEST_F(SignTest, FollowsCertificatesToATrustedAuthority) {
  make_chain("keyUsage=digitalSignature\n");
  sign("leaf", {path("leaf.crt"), path("middle.crt")});
  EXPECT_EQ(verified("ca.crt"), "CN=Signer");
  sign("leaf", {path("leaf.crt")});
  EXPECT_NE(verified("ca.crt").find("its certificate is not trusted"), std::string::npos)
      << verified("ca.crt");
  EXPECT_NE(verified("key.pub").find("the trusted key is a bare public key"), std::string::npos);
}

TEST_F(SignTest, SignsWithACertificateForSigningAlone) {
  make_chain("keyUsage=keyEncipherment\nextendedKeyUsage=serverAuth\n");
  const auto key = SigningKey::load(path("leaf.pem"), {}, {path("leaf.crt"), path("middle.crt")});
  ASSERT_FALSE(key.has_value());
  EXPECT_EQ(key.error().message,
            path("leaf.crt").string() +
                ": is not for signing, so nobody would believe it: have it made with "
                "keyUsage=digitalSignature, or extendedKeyUsage=codeSigning");
  make_chain("extendedKeyUsage=codeSigning\n");
  sign("leaf", {path("leaf.crt"), path("middle.crt")});
  EXPECT_EQ(verified("ca.crt"), "CN=Signer");
}

TEST_F(SignTest, RefusesACertificateThatIsNotForSigning) {
  make_chain("keyUsage=digitalSignature\n");
  sign("leaf", {path("leaf.crt"), path("middle.crt")});
  // Another certificate of the same key, in the place of the one that signed.
  ASSERT_TRUE(write_file(path("other.ext"), "extendedKeyUsage=serverAuth\n"));
  openssl({"x509", "-req", "-in", "leaf.csr", "-CA", "middle.crt", "-CAkey", "middle.pem",
           "-CAcreateserial", "-extfile", "other.ext", "-outform", "DER", "-out", "other.der"});
  auto bundle = json::parse(read_file(package_.root / "model.sig").value()).as_object();
  auto& material = bundle["verificationMaterial"].as_object()["x509CertificateChain"].as_object();
  material["certificates"].as_array()[0].as_object()["rawBytes"] =
      to_base64(read_file(path("other.der")).value());
  ASSERT_TRUE(write_file(package_.root / "model.sig", json::serialize(bundle)));
  EXPECT_NE(verified("ca.crt").find("its certificate is not for signing"), std::string::npos)
      << verified("ca.crt");
}

TEST_F(SignTest, RefusesKeysThatTheFormatDoesNotKnow) {
  openssl({"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "rsa.pem"});
  EXPECT_NE(SigningKey::load(path("rsa.pem")).error().message.find("must be an elliptic-curve key"),
            std::string::npos);
  EXPECT_NE(SigningKey::load(path("key.pub")).error().message.find("is not a private key in PEM"),
            std::string::npos);
  EXPECT_FALSE(Trust::load(path("small") / "model.yaml").has_value());
  make_chain("keyUsage=digitalSignature\n");
  EXPECT_NE(SigningKey::load(path("key.pem"), {}, {path("leaf.crt")})
                .error()
                .message.find("is not the certificate of the key"),
            std::string::npos);
}

TEST_F(SignTest, AsksForThePasswordOfAKey) {
  openssl({"pkey", "-in", "key.pem", "-aes256", "-passout", "pass:secret", "-out", "locked.pem"});
  EXPECT_TRUE(SigningKey::load(path("locked.pem"), "secret").has_value());
  EXPECT_FALSE(SigningKey::load(path("locked.pem"), "guess").has_value());
  EXPECT_NE(
      SigningKey::load(path("locked.pem")).error().message.find("a private key with a password"),
      std::string::npos);
}

TEST(Signature, SaysWhatIsWrongInIt) {
  EXPECT_FALSE(parse_signature("nothing").has_value());
  EXPECT_NE(parse_signature("{}").error().message.find("is not a Sigstore bundle 0.3"),
            std::string::npos);
  const std::string head = R"({"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json")";
  EXPECT_EQ(parse_signature(head + "}").error().message, "has no dsseEnvelope");
  EXPECT_EQ(parse_signature(head + R"(,"dsseEnvelope":{}})").error().message,
            "the envelope has no payloadType");
  EXPECT_NE(parse_signature(head + R"(,"dsseEnvelope":{"payloadType":"x","payload":"%"}})")
                .error()
                .message.find("the envelope's payload"),
            std::string::npos);
}

TEST(Dsse, EncodesAsItsSpecificationDoes) {
  EXPECT_EQ(pre_authentication_encoding("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

class AttestationTest : public SignTest {
 protected:
  static Attestation measured(std::vector<Attestation::Output> outputs = {{"y", true, 0.0}}) {
    return {.package = {},
            .profile = "cpu avx2/2",
            .date = {},
            .software = "serin",
            .outputs = std::move(outputs)};
  }
  void write(const Attestation& attestation, const SigningKey* key = nullptr) const {
    ASSERT_TRUE(write_attestation(package_, attestation, key, clock_).has_value());
  }
  Trust trust(const std::string& name) const { return Trust::load(path(name)).value(); }
  SigningKey key(const std::vector<fs::path>& certificates = {}) const {
    return SigningKey::load(path(certificates.empty() ? "key.pem" : "leaf.pem"), {}, certificates)
        .value();
  }
  // How the one attestation reads: its word and signer, or why it is not believed.
  std::string testimony(const Trust* by = nullptr) const {
    const auto all = read_attestations(package_, by);
    if (!all) return all.error().message;
    if (all->size() != 1) return std::to_string(all->size()) + " attestations";
    const Testimony& one = all->front();
    return one.attestation ? in_a_word(*one.attestation) + " by " + one.signer
                           : one.attestation.error().message;
  }
  // Changes one text inside the signed statement.
  void alter(const std::string& from, const std::string& to) const {
    const fs::path file = package_.root / "attestations/cpu-avx2-2.json";
    json::value bundle = parse_json(read_file(file, 1 << 20).value()).value();
    json::value& payload = bundle.at("dsseEnvelope").at("payload");
    std::string statement = from_base64(std::string(payload.as_string())).value();
    const std::size_t at = statement.find(from);
    ASSERT_NE(at, std::string::npos) << statement;
    payload = to_base64(statement.replace(at, from.size(), to));
    ASSERT_TRUE(write_file(file, json::serialize(bundle)));
  }

  const ManualClock clock_;
};

TEST_F(AttestationTest, SaysWhatWasMeasuredAndByWhom) {
  const Trust trusted = trust("key.pub");
  const SigningKey signing = key();
  EXPECT_EQ(write_attestation(package_, measured(), &signing, clock_).value(),
            "attestations/cpu-avx2-2.json");
  const auto read = read_attestation(package_, "cpu avx2/2", &trusted);
  ASSERT_TRUE(read.has_value() && read->has_value()) << read.error().message;
  EXPECT_TRUE((*read)->bitwise());
  EXPECT_EQ((*read)->package, package_.digest);
  EXPECT_EQ((*read)->date.size(), 20U);
  EXPECT_TRUE(open_package(package_.root, Verify::kDigests).has_value());
  EXPECT_EQ(testimony(), "bitwise by somebody");
  EXPECT_EQ(testimony(&trusted), "bitwise by public key " + signing.hint());
}

TEST_F(AttestationTest, TellsApartHowFarResultsDiffer) {
  write(measured({{"x", true, 0}, {"y", false, 0.5}}));
  EXPECT_EQ(testimony(), "within 0.5 by nobody");
  write(measured({{"y", false, std::numeric_limits<double>::infinity()}}));
  EXPECT_EQ(testimony(), "no by nobody");
  write(measured({{"y", false, 0}}));  // other bits for the same number: -0.0, a NaN
  EXPECT_EQ(testimony(), "within 0 by nobody");
}

TEST(Attestation, SaysASmallDifferenceOfAnOutputAsTheHeadDoes) {
  EXPECT_EQ(in_a_word(Attestation::Output{"sound", false, 0x1p-22}), "within 2.38419e-07");
  EXPECT_EQ(in_a_word(Attestation::Output{"sound", true, 0}), "bitwise");
}

TEST_F(AttestationTest, IsNotBelievedUnsignedWhereSignaturesAreWanted) {
  const Trust trusted = trust("key.pub");
  write(measured());
  EXPECT_EQ(testimony(&trusted), "attestations/cpu-avx2-2.json: is not signed");
  EXPECT_EQ(read_attestation(package_, "cpu avx2/2", &trusted).error().code,
            Code::kPermissionDenied);
}

TEST_F(AttestationTest, IsNotBelievedOnceAltered) {
  const SigningKey signing = key();
  write(measured({{"y", false, 0.5}}), &signing);
  alter("5E-1", "0");
  const Trust trusted = trust("key.pub");
  EXPECT_NE(testimony(&trusted).find("its signature is not by the trusted key"), std::string::npos)
      << testimony(&trusted);
}

TEST_F(AttestationTest, IsSignedByACertificateToo) {
  make_chain("keyUsage=digitalSignature\n");
  const SigningKey signing = key({path("leaf.crt"), path("middle.crt")});
  write(measured(), &signing);
  const Trust authority = trust("ca.crt"), other = trust("key.pub");
  EXPECT_EQ(testimony(&authority), "bitwise by CN=Signer");
  EXPECT_NE(testimony(&other).find("the trusted key is a bare public key"), std::string::npos);
}

TEST_F(AttestationTest, IsOfOnePackageAndOneProfile) {
  write(measured());
  EXPECT_FALSE(read_attestation(package_, "gpu", nullptr).value().has_value());
  EXPECT_FALSE(read_attestation(package_, "cpu avx2-2", nullptr).value().has_value());
  fs::rename(package_.root / "attestations/cpu-avx2-2.json", package_.root / "attestations/z.json");
  EXPECT_NE(testimony().find("is about the profile cpu avx2/2"), std::string::npos) << testimony();
  write(measured());
  fs::remove(package_.root / "attestations/z.json");
  package_.digest = "sha256:" + std::string(64, '0');
  EXPECT_NE(testimony().find("not about this package"), std::string::npos) << testimony();
  EXPECT_EQ(read_attestation(package_, "cpu avx2/2", nullptr).error().code,
            Code::kFailedPrecondition);
}

TEST_F(AttestationTest, SaysWhatIsWrongInIt) {
  const auto said = [&](const std::string& from, const std::string& to) {
    write(measured());
    alter(from, to);
    return testimony();
  };
  for (const auto& [from, to, why] : std::vector<std::array<std::string, 3>>{
           {"\"bitwise\":true,\"largest", "\"bitwise\":1,\"largest", "an output must have"},
           {"largestDifference\":0", "largestDifference\":-1", "must not be negative"},
           {"largestDifference\":0", "largestDifference\":1", "cannot be bitwise and differ"},
           {"\"outputs\":[", "\"outputz\":[", "names no outputs"},
           {"reproducible/v1", "reproducible/v2", "its predicate is not"},
           {"Statement/v1", "Statement/v0", "not an in-toto statement"}}) {
    EXPECT_NE(said(from, to).find(why), std::string::npos) << why << ": " << testimony();
  }
  ASSERT_TRUE(write_file(package_.root / "attestations/cpu-avx2-2.json", "{}"));
  EXPECT_NE(testimony().find("is not a Sigstore bundle"), std::string::npos) << testimony();
}

}  // namespace
}  // namespace serin::model
