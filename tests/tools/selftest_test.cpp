// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion selftest`, on the CPU: that it passes here, and that it fails where something is wrong.
#include "tests/tools/program.h"

namespace digfusion::tools {
namespace {

class Selftest : public ProgramTest {};

TEST_F(Selftest, PassesOnThisMachine) {
  const ProcessResult result =
      digfusion({"selftest", "--device", "cpu", "--precision", "float32", "--frames", "20"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  for (const char* part :
       {"cpu, networks in float32", "ok    network denoiser: ", "ok    preset realtime: ",
        "ok    preset paper: ", "ok    method bandwise: ", "ok    repetition: ", "ok    memory: 20 frames",
        "ok    kernels of a frame: ", "ok    kernels within method guided, ddim: ", "ok    graphs: ",
        "ok    graphs of method guided, ddpm: 6 of 8 frames",
        "ok    graphs of method amortised: 6 of 8 frames", "ok    pipeline: 20 of 20 frames",
        "ok    steady state: 20 frames: 0 device allocations, 20 waits", "checks passed"})
    expect_part(result.out, part);
  EXPECT_EQ(result.out.find("FAIL"), std::string::npos) << result.out;
}

TEST_F(Selftest, AMissingModelIsAFailedCheckAndTheOthersRun) {
  const ProcessResult result = digfusion(
      {"selftest", "--device", "cpu", "--precision", "float32", "--frames", "1", "--student", at("none")});
  EXPECT_EQ(result.exit_code, 1);
  expect_part(result.out, "FAIL  preset realtime: ");
  expect_part(result.out, at("none"));
  expect_part(result.out, "ok    preset paper: ");
}

TEST_F(Selftest, AsAProgramOfItsOwnNeedsNeitherGStreamerNorCodecs) {
  const std::string device_program = environment("DIGFUSION_DEVICE_PROGRAM");
  const ProcessResult libraries = run_process({"ldd", device_program});
  ASSERT_EQ(libraries.exit_code, 0) << libraries.err;
  expect_part(libraries.out, "libdigfusion.so");
  for (const char* absent : {"libgst", "libopencv_imgcodecs", "libopencv_videoio"})
    EXPECT_EQ(libraries.out.find(absent), std::string::npos) << libraries.out;
  const ProcessResult help = run_process({device_program, "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part : {"selftest", "bench", "info"}) expect_part(help.out, part);
  EXPECT_EQ(run_process({device_program, "selftest", "--device", "cuda:99"}).exit_code, 1);
}

TEST_F(Selftest, ADeviceThatIsntThereIsAnError) {
  expect_failure(digfusion({"selftest", "--device", "cuda:99"}), 1, {"cuda:99", "isn't there"});
}

}  // namespace
}  // namespace digfusion::tools
