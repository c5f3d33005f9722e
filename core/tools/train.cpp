// SPDX-License-Identifier: LGPL-2.1-or-later
#include <ATen/Parallel.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>

#include "core/tools/commands.h"
#include "core/tools/output_file.h"
#include "core/training/trainer.h"

namespace digfusion {
namespace {

std::atomic<bool> interrupted = false;

void print(const TrainingProgress& p) {
  const double left = p.seconds_per_step * double(p.steps - p.step);
  std::fprintf(stderr, "%sstep %lld of %lld  loss %.4f  %.2f s a step  %d:%02d left", ::isatty(2) ? "\r" : "",
               static_cast<long long>(p.step), static_cast<long long>(p.steps), p.loss, p.seconds_per_step,
               int(left / 60), int(left) % 60);
  if (p.checkpointed && p.psnr[0] > 0)
    std::fprintf(stderr, "  held out: %.2f %.2f %.2f dB at sigma 10 22 50", p.psnr[0], p.psnr[1], p.psnr[2]);
  std::fprintf(stderr, "%s", ::isatty(2) && !p.checkpointed ? "   " : "\n");
}

}  // namespace

void add_train_command(CLI::App& app, int& exit_code) {
  CLI::App* train_command = app.add_subcommand("train", "Train a network on generated pictures");
  train_command->require_subcommand(1);
  for (const auto& [target, description] :
       {std::pair{ModelKind::denoiser, "Train a luma denoiser"},
        std::pair{ModelKind::student, "Train an amortised student of a denoiser"},
        std::pair{ModelKind::gradient_student,
                  "Train the student of gradient-domain fusion, which denoises too"}}) {
    auto options = std::make_shared<TrainingOptions>();
    auto threads = std::make_shared<int>(0);
    options->target = target;
    CLI::App* command = train_command->add_subcommand(name_of(target), description);
    command->option_defaults()->always_capture_default();
    command->add_option("-o,--output", options->output, "Weights file to write, safetensors")->required();
    command->add_option("--checkpoint", options->checkpoint,
                        "File for the whole state; empty: OUTPUT.checkpoint");
    command->add_flag("--resume", options->resume, "Go on from the checkpoint where there is one");
    command->add_option("--start", options->start,
                        "Model to start from: all weights of the same name and shape; empty: random ones");
    command->add_option("--steps", options->steps, "Steps in all");
    command->add_option("--seed", options->seed, "Seed of everything random");
    command->add_option("--batch", options->batch, "Patches a step");
    command->add_option("--patch", options->patch, "Side of a patch in pixels");
    command->add_option("--pool", options->pool, "Generated pictures at hand");
    command->add_option("--learning-rate", options->learning_rate, "Highest learning rate of Adam");
    command->add_option("--average", options->average, "Decay of the moving average of the weights");
    command->add_option("--checkpoint-every", options->checkpoint_every, "Steps between checkpoints");
    command->add_option("--widths", options->widths,
                        "Channels of each scale, finest first; empty: those of the embedded network")
        ->delimiter(',');
    command->add_option("--threads", *threads, "CPU threads; 0: one a core");
    command->add_flag(
        "--bfloat16", options->bfloat16,
        "Compute in bfloat16: much faster on a CPU with AMX or AVX512-BF16, far slower on others");
    if (target != ModelKind::denoiser) {
      command->add_option("--teacher", options->teacher, "Denoiser file; empty: the embedded one");
      command->add_option("--levels", options->levels, "Timesteps; empty: those of the embedded one");
    }
    command->callback([options, threads, &exit_code] {
      tools::check_output(options->output);  // not after hours of work
      if (*threads > 0) at::set_num_threads(*threads);
      struct sigaction action {};
      action.sa_handler = [](int) { interrupted = true; };
      ::sigaction(SIGINT, &action, nullptr);
      ::sigaction(SIGTERM, &action, nullptr);
      train(*options, [](const TrainingProgress& p) {
        print(p);
        return !interrupted;
      });
      exit_code = interrupted ? 1 : 0;
      if (interrupted) std::fprintf(stderr, "stopped; --resume goes on from here\n");
    });
  }
}

}  // namespace digfusion
