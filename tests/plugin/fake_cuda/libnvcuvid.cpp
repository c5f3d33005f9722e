// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A video decoder that decodes nothing. GStreamer's plugin nvcodec registers none of its elements without
// one, and the tests want its cudaupload and cudadownload.
#pragma GCC visibility push(default)
extern "C" {

#define FAKE_CUVID_LACKS(name) \
  int name() { return 801; }  // CUDA_ERROR_NOT_SUPPORTED
FAKE_CUVID_LACKS(cuvidCtxLockCreate)
FAKE_CUVID_LACKS(cuvidCtxLockDestroy)
FAKE_CUVID_LACKS(cuvidCtxLock)
FAKE_CUVID_LACKS(cuvidCtxUnlock)
FAKE_CUVID_LACKS(cuvidCreateDecoder)
FAKE_CUVID_LACKS(cuvidDestroyDecoder)
FAKE_CUVID_LACKS(cuvidDecodePicture)
FAKE_CUVID_LACKS(cuvidCreateVideoParser)
FAKE_CUVID_LACKS(cuvidParseVideoData)
FAKE_CUVID_LACKS(cuvidDestroyVideoParser)
FAKE_CUVID_LACKS(cuvidMapVideoFrame)
FAKE_CUVID_LACKS(cuvidMapVideoFrame64)
FAKE_CUVID_LACKS(cuvidUnmapVideoFrame)
FAKE_CUVID_LACKS(cuvidUnmapVideoFrame64)
FAKE_CUVID_LACKS(cuvidGetDecoderCaps)

}  // extern "C"
#pragma GCC visibility pop
