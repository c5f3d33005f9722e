// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion convert`: formats and precisions, there and back.
#include "tests/tools/model_test.h"
#include "tests/tools/safetensors_edit.h"

namespace digfusion::tools {
namespace {

/// Both files have the same tensors: names, dtypes, shapes and numbers.
void expect_same_tensors(const std::string& a, const std::string& b) {
  SafetensorsParts first = read_safetensors_parts(a), second = read_safetensors_parts(b);
  first.header.erase("__metadata__");
  second.header.erase("__metadata__");
  ASSERT_GT(first.header.size(), 0u);
  ASSERT_EQ(first.header.size(), second.header.size());
  for (const auto& [name, entry] : first.header.items()) {
    ASSERT_TRUE(second.header.contains(name)) << name;
    EXPECT_EQ(entry["dtype"], second.header[name]["dtype"]) << name;
    EXPECT_EQ(entry["shape"], second.header[name]["shape"]) << name;
    EXPECT_TRUE(first.at(name) == second.at(name)) << name;
  }
}

void expect_dtype(const std::string& path, const std::string& dtype) {
  const SafetensorsParts parts = read_safetensors_parts(path);
  for (const auto& [name, entry] : parts.header.items()) {
    if (name == "__metadata__") continue;
    EXPECT_EQ(entry["dtype"], dtype) << name;
  }
}

void convert(const std::string& from, const std::string& to, const Words& more = {}) {
  Words words = {"convert", from, to};
  words.insert(words.end(), more.begin(), more.end());
  const ProcessResult result = digfusion(words);
  expect_success(result);
  EXPECT_EQ(result.out, "");
}

class Convert : public ProgramTest {};

TEST_F(Convert, AWiderPrecisionAndBackGivesEqualWeights) {
  const std::string denoiser = embedded_denoiser();
  convert(denoiser, at("wide"), {"--precision", "float32"});
  expect_dtype(at("wide"), "F32");
  convert(at("wide"), at("back"), {"--precision", "float16"});
  expect_same_tensors(at("back"), denoiser);
  convert(denoiser, at("same"));
  expect_same_tensors(at("same"), denoiser);
  // What the file says about itself stays.
  EXPECT_EQ(read_safetensors_parts(at("back")).header["__metadata__"],
            read_safetensors_parts(denoiser).header["__metadata__"]);
}

TEST_F(Convert, RefusesBadFilesInOneLineAndWritesNothing) {
  const std::string whole = read_text(embedded_denoiser());
  expect_failure(digfusion({"convert", write("text", std::string("no model")), at("out")}), 1,
                 {"text", "safetensors"});
  expect_failure(digfusion({"convert", write("cut", whole.substr(0, whole.size() / 2)), at("out")}), 1,
                 {"cut", "truncated"});
  expect_failure(digfusion({"convert", write("zip.pt", std::string("PK\3\4 and no more")), at("out")}), 1,
                 {"zip.pt", "zip"});
  expect_failure(digfusion({"convert", write("empty.pt", std::string()), at("out")}), 1,
                 {"empty.pt", "is empty"});
  expect_failure(digfusion({"convert", at("none"), at("out")}), 1, {"none", "can't be opened"});
  SafetensorsParts other;
  other.add("layer.weight", "F32", {2, 2}, std::vector<float>{1, 2, 3, 4});
  expect_failure(digfusion({"convert", write("other", other.bytes()), at("out")}), 1,
                 {"other", "\"layer.weight\" [2, 2]"});
  EXPECT_FALSE(std::filesystem::exists(at("out")));
  EXPECT_FALSE(std::filesystem::exists(at("out.partial")));
}

TEST_F(Convert, ANameOfManyLinesIsShownOnOneLine) {
  SafetensorsParts other;
  other.add("many\nlines" + std::string(5000, 'x'), "F32", {1}, std::vector<float>{1});
  other.header["many\nlines" + std::string(5000, 'x')]["dtype"] = "F7";
  const ProcessResult result = digfusion({"convert", write("other", other.bytes()), at("out")});
  expect_failure(result, 1, {"tensor \"many?linesxxx"});
  EXPECT_LT(result.err.size(), 800u);
}

TEST_F(Convert, RefusesACommandLineThatIsWrong) {
  const std::string denoiser = embedded_denoiser();
  expect_failure(digfusion({"convert", denoiser}), 2, {"two files"});
  expect_failure(digfusion({"convert", denoiser, at("out"), "--precision", "float8"}), 2, {"float8"});
  convert(denoiser, at("copy"));
  expect_failure(digfusion({"convert", at("copy"), at("copy")}), 2, {"the file to write is the one to read"});
  expect_same_tensors(at("copy"), denoiser);
}

class ConvertReference : public ReferenceTest {};

TEST_F(ConvertReference, EveryFormatGivesTheSameWeights) {
  convert(reference("adm_tiny.pt"), at("zip"));
  expect_same_tensors(at("zip"), reference("adm_tiny.safetensors"));
  for (const char* name : {"adm_tiny.legacy.pt", "adm_tiny.safetensors"}) {
    convert(reference(name), at("other"), {"--config", reference("adm_tiny.json")});
    expect_same_tensors(at("other"), at("zip"));
  }
}

TEST_F(ConvertReference, APrecisionAndBackGivesEqualWeights) {
  convert(reference("adm_tiny.pt"), at("half"), {"--precision", "float16"});
  expect_dtype(at("half"), "F16");
  convert(reference("adm_tiny.half.pt"), at("saved"));
  expect_same_tensors(at("half"), at("saved"));  // rounded as PyTorch does
  for (const char* precision : {"float16", "bfloat16"}) {
    convert(reference("adm_tiny.pt"), at("narrow"), {"--precision", precision});
    convert(at("narrow"), at("wide"), {"--precision", "float32"});
    expect_dtype(at("wide"), "F32");
    convert(at("wide"), at("back"), {"--precision", precision});
    expect_same_tensors(at("back"), at("narrow"));
  }
}

TEST_F(ConvertReference, WhatIsWrittenOpensWithoutTheJsonFile) {
  convert(alone("adm_new_order.pt"), at("written"), {"--config", reference("adm_new_order.json")});
  const auto info = nlohmann::json::parse(digfusion({"info", "--json", at("written")}).out).at(0);
  EXPECT_EQ(info["configuration"], "metadata");
  EXPECT_EQ(info["network"]["use_new_attention_order"], true);
}

}  // namespace
}  // namespace digfusion::tools
