"""The program that runs a pipeline, for gstreamer.py: `gstreamer_process.py PIPELINE`. It needs PyGObject alone.

Each frame goes to its standard output: format, width, height, bytes from row to row, bytes; then the pixels. It ends
with the pipeline, and when its standard input closes.
"""

from __future__ import annotations

import os
import struct
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstApp, GstVideo  # noqa: E402  # GObject wants their versions first

_HEAD = struct.Struct("<8sIIIQ")
_RAW = "video/x-raw,format=(string){RGB,BGR,GRAY8,GRAY16_LE}"
_BAYER = "video/x-bayer,format=(string){rggb,bggr,grbg,gbrg}"
_WAIT = 200 * 1_000_000  # nanoseconds


def main() -> None:
    """Run the pipeline."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Gst.init(None)
    try:
        pipeline = Gst.parse_launch(f"{sys.argv[1]} name=edge_agent_sink")
    except gi.repository.GLib.Error as error:
        sys.exit(str(error.message))
    sink = pipeline.get_by_name("edge_agent_sink")
    if not isinstance(sink, GstApp.AppSink):
        sys.exit("the pipeline does not end in appsink")
    if sink.get_caps() is None or sink.get_caps().is_any():
        sink.set_caps(Gst.Caps.from_string(f"{_RAW};{_BAYER}"))
    sink.set_property("max-buffers", 1)  # the newest: what waits is old
    sink.set_property("drop", True)
    sink.set_property("sync", False)
    pipeline.set_state(Gst.State.PLAYING)
    bus = pipeline.get_bus()
    try:
        while True:
            sample = sink.try_pull_sample(_WAIT)
            if sample is not None:
                _write(sample)
            _check(bus, sink, sample)
    finally:
        pipeline.set_state(Gst.State.NULL)


def _check(bus: Gst.Bus, sink: GstApp.AppSink, sample: Gst.Sample | None) -> None:
    message = bus.pop_filtered(Gst.MessageType.ERROR)
    if message is not None:
        error, _ = message.parse_error()
        sys.exit(f"{message.src.get_name()}: {error.message}")
    if sample is None and sink.is_eos():
        sys.exit("it came to its end")


def _write(sample: Gst.Sample) -> None:
    caps, buffer = sample.get_caps(), sample.get_buffer()
    structure = caps.get_structure(0)
    name, width, height = (structure.get_value(key) for key in ("format", "width", "height"))
    if structure.get_name() == "video/x-bayer":
        stride = (width + 3) // 4 * 4  # as GStreamer's Bayer elements lay it
    else:
        meta = GstVideo.buffer_get_video_meta(buffer)
        info = GstVideo.VideoInfo.new_from_caps(caps)
        stride = meta.stride[0] if meta is not None else info.stride[0]
    found, mapped = buffer.map(Gst.MapFlags.READ)
    if not found:
        sys.exit("a frame can't be read")
    try:
        data = memoryview(mapped.data)
        _all(memoryview(_HEAD.pack(name.encode()[:8], width, height, stride, len(data))))
        _all(data)
    finally:
        buffer.unmap(mapped)


def _all(data: memoryview) -> None:
    while data:
        try:
            data = data[os.write(1, data) :]
        except BrokenPipeError:
            os._exit(0)


def _end_with_parent() -> None:
    while os.read(0, 1 << 12):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
