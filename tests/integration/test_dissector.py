# SPDX-License-Identifier: BSD-2-Clause
"""Wireshark's dissector, doc/svip.lua, on heartbeats of a real cluster: every field as it stands in the bytes.

Skipped without tshark, which ./bootstrap deps does not install: it is 120 MB.
"""

import ipaddress
import json
import shutil
import socket
import struct
import subprocess

import netns
import pytest
from cluster import HEARTBEAT_PORT, REPO
from netns import now

HEADER, INSTANCE, TAG = 112, 56, 32
FLAG_JOINT = 0x0008

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="no tshark (Debian package tshark)")


def frames(c, seconds, meanwhile=None):
    """Heartbeats as Ethernet frames, as the client sees those of multicast."""
    with netns.inside(c.hosts["client"].ns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    found, end = [], now() + seconds
    sock.settimeout(0.2)
    if meanwhile:
        meanwhile()
    while now() < end:
        try:
            frame = sock.recv(4096)
        except TimeoutError:
            continue
        if frame[23] == 17 and struct.unpack("!H", frame[36:38])[0] == HEARTBEAT_PORT:
            found.append(frame[:14 + struct.unpack("!H", frame[16:18])[0]])
    sock.close()
    return found


def udp(payload):
    head = struct.pack("!HHHH", 8386, 8386, 8 + len(payload), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 255, 17, 0, bytes(4), bytes(4))
    return bytes(12) + b"\x08\x00" + ip + head + payload


def dissected(path, all_frames):
    """What tshark makes of them: for each frame the layer "svip", or None."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(all_frames):
            f.write(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame)
    done = subprocess.run(["tshark", "-r", str(path), "-X", f"lua_script:{REPO}/doc/svip.lua", "-o", "udp.check_checksum:FALSE",
                           "-T", "json", "--no-duplicate-keys"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Lua" not in done.stderr, done.stderr
    return [p["_source"]["layers"].get("svip") for p in json.loads(done.stdout)]


def as_list(x):
    return x if isinstance(x, list) else [] if x is None else [x]


def number(text):
    return int(text, 0)


def check(layer, payload):
    """Each field against the bytes."""
    u = struct.unpack_from
    assert layer["svip.magic"] == "SVIP" and "svip.malformed" not in json.dumps(layer)
    flags = u("!H", payload, 6)[0]
    assert number(layer["svip.flags"]) == flags
    bits = layer["svip.flags_tree"]
    for bit, name in enumerate(("maintenance", "observe", "leaving", "joint")):
        assert str(bits[f"svip.flags.{name}"]) in (("1", "True") if flags >> bit & 1 else ("0", "False")), name
    assert ipaddress.ip_address(layer["svip.node"]) == ipaddress.ip_address(payload[16:32])
    assert [number(layer[f"svip.{k}"]) for k in ("cluster", "incarnation", "sequence", "sent_us")] == \
        [u("!Q", payload, at)[0] for at in (8, 32, 40, 48)]
    assert [number(layer[f"svip.{k}"]) for k in ("lease_ms", "guard_ms")] == list(u("!II", payload, 60))
    assert number(layer["svip.serial"]) == u("!Q", payload, 68)[0]
    assert layer["svip.digest_all"].replace(":", "") == payload[92:108].hex()
    assert layer["svip.tag"].replace(":", "") == payload[-TAG:].hex()
    n_echoes, n_instances = payload[108:110]
    echoes = as_list(layer.get("svip.echo"))
    instances = as_list(layer.get("svip.instance"))
    assert (len(echoes), len(instances)) == (n_echoes, n_instances)
    at = HEADER
    if flags & FLAG_JOINT:
        assert layer["svip.digest_next"].replace(":", "") == payload[at:at + 16].hex()
        at += 16
    for echo in echoes:
        at += 1 if payload[at] & 1 else 17
        assert number(echo["svip.echo.incarnation"]) == u("!Q", payload, at)[0]
        assert number(echo["svip.echo.held_us"]) == u("!I", payload, at + 16)[0]
        at += 20
    for one in instances:
        assert number(one["svip.instance.id"]) == u("!Q", payload, at)[0]
        assert number(one["svip.instance.state"]) == payload[at + 8]
        names = "hold_epoch", "claim_epoch", "claim_id", "yield_epoch", "yield_id"
        assert [number(one[f"svip.instance.{k}"]) for k in names] == list(u("!5Q", payload, at + 16))
        at += INSTANCE
    assert at == len(payload) - TAG


def test_the_dissector_reads_a_move_to_the_last_field(make_cluster, tmp_path):
    c = make_cluster()

    def move():
        assert c.svipctl("h1", "maintenance", "on").returncode == 0
        c.sentinel_failover(via="h2")
    seen = frames(c, 4, move)
    layers = dissected(tmp_path / "move.pcap", seen)
    assert len(layers) == len(seen) > 20
    for layer, frame in zip(layers, seen):
        check(layer, frame[42:])
    assert {layer["svip.node"] for layer in layers} == {"::ffff:" + c.address(n) for n in c.nodes}
    text = json.dumps(layers)
    assert '"svip.instance.holding": "1"' in text or '"svip.instance.holding": "True"' in text
    assert any(number(i["svip.instance.claim_epoch"]) > 0 for layer in layers for i in as_list(layer["svip.instance"]))


def test_the_dissector_knows_a_joint_heartbeat_and_what_is_none(make_cluster, tmp_path):
    c = make_cluster(probe=False)
    payload = bytearray(max((f[42:] for f in frames(c, 2)), key=len))
    joint = bytearray(payload)
    joint[6:8] = struct.pack("!H", FLAG_JOINT)
    joint[HEADER:HEADER] = bytes(range(16))
    later = bytearray(payload)
    later[4] = 2
    layers = dissected(tmp_path / "odd.pcap", [udp(bytes(x)) for x in (
        joint, payload[:-1], payload + b"\0", payload[:HEADER], payload[:9], later, b"SVIP", b"hello, world")])
    check(layers[0], bytes(joint))
    for i in range(1, 5):
        assert "svip.malformed" in json.dumps(layers[i]), i
    assert layers[5] is not None and "svip.malformed" not in json.dumps(layers[5])
    assert layers[6:] == [None, None]
