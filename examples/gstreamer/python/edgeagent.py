"""A GStreamer element that has frames inspected: `… ! videoconvert ! edgeagent model=cookies ! …`.

It lies in a folder `python` of GST_PLUGIN_PATH, for the loader of plugins in Python (Debian:
gstreamer1.0-python3-plugin-loader). The Python of the system has to find the package edge_agent (PYTHONPATH).

Each frame leaves with a GstVideoRegionOfInterestMeta of the type "edge-agent-verdict", whose parameter of that name
says model, anomalous, confidence, score, threshold and area-LABEL; the same is told on the bus as an element message.
With overlay=true what was found is drawn into the frame. A frame for which there is no verdict leaves without the meta,
is told as "edge-agent-failed", and is never drawn on: who sorts parts has to take "no verdict" for "not normal".
"""

from __future__ import annotations

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstBase", "1.0")
gi.require_version("GstVideo", "1.0")

import numpy as np  # noqa: E402  # GObject wants its versions first
from gi.repository import GObject, Gst, GstBase, GstVideo  # noqa: E402

import edge_agent  # noqa: E402

Gst.init_python() if hasattr(Gst, "init_python") else Gst.init(None)

VERDICT, FAILED = "edge-agent-verdict", "edge-agent-failed"
CAPS = Gst.Caps.from_string("video/x-raw,format=RGB,width=[1,2147483647],height=[1,2147483647]")
SOCKET = edge_agent.Client.__init__.__defaults__[0]


class EdgeAgent(GstBase.BaseTransform):
    """Inspects each frame, and lets it go on."""

    __gstmetadata__ = ("Edge Agent", "Filter/Analyzer/Video", "Has frames inspected by edge-agent", "edge-agent")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, CAPS),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, CAPS),
    )

    model = GObject.Property(type=str, default="", nick="Model", blurb="Model component that inspects")
    socket = GObject.Property(type=str, default=SOCKET, nick="Socket", blurb="Address of the agent")
    overlay = GObject.Property(type=bool, default=False, nick="Overlay", blurb="Draw what was found into the frame")
    timeout = GObject.Property(type=float, default=5.0, minimum=0.0, maximum=3600.0, nick="Timeout", blurb="Seconds")

    def __init__(self) -> None:
        super().__init__()
        self.set_in_place(True)
        self._client: edge_agent.Client | None = None
        self._info = GstVideo.VideoInfo()

    def do_set_caps(self, given: Gst.Caps, _: Gst.Caps) -> bool:
        """Know the frames' size and stride."""
        self._info = GstVideo.VideoInfo.new_from_caps(given)
        return True

    def do_start(self) -> bool:
        """Connect, and start the model if it does not run."""
        try:
            if not self.model:
                raise edge_agent.EdgeAgentError("the property model is not set: edgeagent model=NAME")
            self._client = edge_agent.Client(self.socket, timeout=self.timeout)
            self._client.start(self.model)
        except edge_agent.EdgeAgentError as error:
            self._complain(str(error))
            return False
        return True

    def do_stop(self) -> bool:
        """Let go of the agent."""
        if self._client is not None:
            self._client.close()
            self._client = None
        return True

    def do_transform_ip(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """Inspect a frame."""
        width, height, stride = self._info.width, self._info.height, self._info.stride[0]
        said = Gst.Structure.new_empty(VERDICT)
        said.set_value("model", self.model)
        said.set_value("pts", float(buffer.pts) / Gst.SECOND)
        try:
            with buffer.map(Gst.MapFlags.READ | Gst.MapFlags.WRITE) as mapped:
                frame = np.ndarray((height, width, 3), np.uint8, buffer=mapped.data, strides=(stride, 3, 1))
                found = self._client.detect(self.model, np.ascontiguousarray(frame))
                if self.overlay:
                    frame[...] = edge_agent.draw(frame, found)
        except edge_agent.EdgeAgentError as error:
            failed = Gst.Structure.new_empty(FAILED)
            failed.set_value("model", self.model)
            failed.set_value("reason", str(error))
            self.post_message(Gst.Message.new_element(self, failed))
            return Gst.FlowReturn.OK
        _fill(said, found)
        meta = GstVideo.buffer_add_video_region_of_interest_meta(buffer, VERDICT, 0, 0, width, height)
        meta.add_param(said.copy())
        self.post_message(Gst.Message.new_element(self, said))
        return Gst.FlowReturn.OK

    def _complain(self, text: str) -> None:
        domain, code = Gst.ResourceError.quark(), Gst.ResourceError.OPEN_READ
        self.message_full(Gst.MessageType.ERROR, domain, code, text, None, "edgeagent.py", "do_start", 0)


def _fill(structure: Gst.Structure, found: edge_agent.Detection) -> None:
    structure.set_value("anomalous", found.is_anomalous)
    structure.set_value("confidence", found.confidence)
    structure.set_value("score", found.score)
    structure.set_value("threshold", found.threshold)
    for area in found.areas[1:]:
        structure.set_value(f"area-{area.label}", area.fraction)


GObject.type_register(EdgeAgent)
__gstelementfactory__ = ("edgeagent", Gst.Rank.NONE, EdgeAgent)
