-- SPDX-License-Identifier: BSD-2-Clause
-- Wireshark dissector for svipd's heartbeats, version 1; layout: PROTOCOL.md. Shows them; verifies no tag.
-- Use: wireshark -X lua_script:svip.lua, or copy it into the personal plugin folder. Heartbeats are recognised
-- by their magic on any UDP port.

local svip = Proto("svip", "svipd heartbeat")

local STATES = { [0] = "init", [1] = "backup", [2] = "waiting", [3] = "master", [4] = "fault" }
local HEADER, NEXT, INSTANCE, TAG = 112, 16, 56, 32

local f = {
	magic = ProtoField.string("svip.magic", "Magic"),
	version = ProtoField.uint8("svip.version", "Protocol version"),
	key_id = ProtoField.uint8("svip.key_id", "Key id", base.HEX),
	flags = ProtoField.uint16("svip.flags", "Flags", base.HEX),
	maintenance = ProtoField.bool("svip.flags.maintenance", "Maintenance", 16, nil, 0x0001),
	observe = ProtoField.bool("svip.flags.observe", "Observe", 16, nil, 0x0002),
	leaving = ProtoField.bool("svip.flags.leaving", "Leaving", 16, nil, 0x0004),
	joint = ProtoField.bool("svip.flags.joint", "Joint", 16, nil, 0x0008),
	cluster = ProtoField.uint64("svip.cluster", "Cluster", base.HEX),
	node = ProtoField.ipv6("svip.node", "Node"),
	incarnation = ProtoField.uint64("svip.incarnation", "Incarnation", base.HEX),
	sequence = ProtoField.uint64("svip.sequence", "Sequence"),
	sent_us = ProtoField.uint64("svip.sent_us", "Sent (sender's clock, us)"),
	program = ProtoField.string("svip.program", "Program version"),
	lease_ms = ProtoField.uint32("svip.lease_ms", "Lease (ms)"),
	guard_ms = ProtoField.uint32("svip.guard_ms", "Guard (ms)"),
	serial = ProtoField.uint64("svip.serial", "Configuration serial"),
	digest_safety = ProtoField.bytes("svip.digest_safety", "Digest of the safety part"),
	digest_all = ProtoField.bytes("svip.digest_all", "Digest of the configuration"),
	digest_next = ProtoField.bytes("svip.digest_next", "Digest of the next safety part"),
	n_echoes = ProtoField.uint8("svip.n_echoes", "Echoes"),
	n_instances = ProtoField.uint8("svip.n_instances", "Instances"),
	reserved = ProtoField.uint16("svip.reserved", "Reserved", base.HEX),
	echo = ProtoField.none("svip.echo", "Echo"),
	echo_flags = ProtoField.uint8("svip.echo.flags", "Flags", base.HEX),
	echo_same = ProtoField.bool("svip.echo.same", "Same node as before", 8, nil, 0x01),
	echo_node = ProtoField.ipv6("svip.echo.node", "Node"),
	echo_incarnation = ProtoField.uint64("svip.echo.incarnation", "Incarnation", base.HEX),
	echo_sent_us = ProtoField.uint64("svip.echo.sent_us", "Sent (that node's clock, us)"),
	echo_held_us = ProtoField.uint32("svip.echo.held_us", "Held (us)"),
	instance = ProtoField.none("svip.instance", "Instance"),
	id = ProtoField.uint64("svip.instance.id", "Id", base.HEX),
	state = ProtoField.uint8("svip.instance.state", "State", base.DEC, STATES),
	instance_flags = ProtoField.uint8("svip.instance.flags", "Flags", base.HEX),
	holding = ProtoField.bool("svip.instance.holding", "Holding", 8, nil, 0x01),
	instance_reserved = ProtoField.uint16("svip.instance.reserved", "Reserved", base.HEX),
	lease_left_ms = ProtoField.uint32("svip.instance.lease_left_ms", "Lease left (ms)"),
	hold_epoch = ProtoField.uint64("svip.instance.hold_epoch", "Hold epoch"),
	claim_epoch = ProtoField.uint64("svip.instance.claim_epoch", "Claim epoch"),
	claim_id = ProtoField.uint64("svip.instance.claim_id", "Claim id", base.HEX),
	yield_epoch = ProtoField.uint64("svip.instance.yield_epoch", "Yield epoch"),
	yield_id = ProtoField.uint64("svip.instance.yield_id", "Yield id", base.HEX),
	tag = ProtoField.bytes("svip.tag", "Tag (BLAKE2b, not verified)"),
}
svip.fields = f

local malformed = ProtoExpert.new("svip.malformed", "Malformed heartbeat", expert.group.MALFORMED,
    expert.severity.ERROR)
svip.experts = { malformed }

local function header(tree, b)
	tree:add(f.magic, b(0, 4))
	tree:add(f.version, b(4, 1))
	tree:add(f.key_id, b(5, 1))
	local flags = tree:add(f.flags, b(6, 2))
	flags:add(f.maintenance, b(6, 2))
	flags:add(f.observe, b(6, 2))
	flags:add(f.leaving, b(6, 2))
	flags:add(f.joint, b(6, 2))
	tree:add(f.cluster, b(8, 8))
	tree:add(f.node, b(16, 16))
	tree:add(f.incarnation, b(32, 8))
	tree:add(f.sequence, b(40, 8))
	tree:add(f.sent_us, b(48, 8))
	tree:add(f.program, b(56, 4), string.format("%d.%d.%d", b(56, 2):uint(), b(58, 1):uint(), b(59, 1):uint()))
	tree:add(f.lease_ms, b(60, 4))
	tree:add(f.guard_ms, b(64, 4))
	tree:add(f.serial, b(68, 8))
	tree:add(f.digest_safety, b(76, 16))
	tree:add(f.digest_all, b(92, 16))
	tree:add(f.n_echoes, b(108, 1))
	tree:add(f.n_instances, b(109, 1))
	tree:add(f.reserved, b(110, 2))
end

-- One echo at offset at; returns the offset behind it, or nil when it doesn't fit before `last`.
local function echo(tree, b, at, last)
	local same = at < last and b(at, 1):uint() % 2 == 1
	local len = same and 21 or 37
	if at + len > last then
		return nil
	end
	local t = tree:add(f.echo, b(at, len))
	t:add(f.echo_flags, b(at, 1)):add(f.echo_same, b(at, 1))
	if not same then
		t:add(f.echo_node, b(at + 1, 16))
	end
	t:add(f.echo_incarnation, b(at + len - 20, 8))
	t:add(f.echo_sent_us, b(at + len - 12, 8))
	t:add(f.echo_held_us, b(at + len - 4, 4))
	return at + len
end

local function instance(tree, b, at, last)
	if at + INSTANCE > last then
		return nil
	end
	local t = tree:add(f.instance, b(at, INSTANCE))
	local holding = b(at + 9, 1):uint() % 2 == 1
	t:append_text(": " .. (STATES[b(at + 8, 1):uint()] or "?") .. (holding and ", holding" or ""))
	t:add(f.id, b(at, 8))
	t:add(f.state, b(at + 8, 1))
	t:add(f.instance_flags, b(at + 9, 1)):add(f.holding, b(at + 9, 1))
	t:add(f.instance_reserved, b(at + 10, 2))
	t:add(f.lease_left_ms, b(at + 12, 4))
	t:add(f.hold_epoch, b(at + 16, 8))
	t:add(f.claim_epoch, b(at + 24, 8))
	t:add(f.claim_id, b(at + 32, 8))
	t:add(f.yield_epoch, b(at + 40, 8))
	t:add(f.yield_id, b(at + 48, 8))
	return at + INSTANCE
end

local function body(tree, b, last)
	local at = HEADER
	if b(7, 1):bitfield(4, 1) == 1 then -- joint
		if at + NEXT > last then
			return false
		end
		tree:add(f.digest_next, b(at, NEXT))
		at = at + NEXT
	end
	for _ = 1, b(108, 1):uint() do
		at = at and echo(tree, b, at, last)
	end
	for _ = 1, b(109, 1):uint() do
		at = at and instance(tree, b, at, last)
	end
	return at == last
end

function svip.dissector(b, pinfo, root)
	if b:len() < 8 or b(0, 4):string() ~= "SVIP" then
		return 0
	end
	local tree = root:add(svip, b())
	pinfo.cols.protocol = "SVIP"
	if b(4, 1):uint() ~= 1 then
		pinfo.cols.info = "Heartbeat of version " .. b(4, 1):uint()
		return b:len()
	end
	if b:len() < HEADER + TAG then
		tree:add_proto_expert_info(malformed)
		return b:len()
	end
	header(tree, b)
	if not body(tree, b, b:len() - TAG) then
		tree:add_proto_expert_info(malformed)
	end
	tree:add(f.tag, b(b:len() - TAG, TAG))
	pinfo.cols.info = string.format("Heartbeat seq %s, %d echoes, %d instances", tostring(b(40, 8):uint64()),
	    b(108, 1):uint(), b(109, 1):uint())
	return b:len()
end

svip:register_heuristic("udp", function(b, pinfo, root)
	if b:len() < 8 or b(0, 4):string() ~= "SVIP" then
		return false
	end
	svip.dissector(b, pinfo, root)
	return true
end)
