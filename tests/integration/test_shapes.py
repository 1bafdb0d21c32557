# SPDX-License-Identifier: BSD-2-Clause
"""Other shapes: two instances, both families, two nodes with a witness, IPv6 alone, one node."""

import time

import pytest
from cluster import Instance
from netns import wait_until

VIP, VIP6 = "10.77.0.50", "fd77::50"
FIRST, SECOND = Instance(), Instance("second", 6380, ("10.77.0.51",))


def test_two_instances_move_apart(make_cluster):
    c = make_cluster(instances=[FIRST, SECOND])
    c.sentinel_failover(via="h2", instance=SECOND)
    new = c.wait_settled(but=["h1"], instance=SECOND)
    assert c.observer.moves(VIP) == ["h1"], "the other one stays"
    c.writer(SECOND.vips[0], SECOND.port)
    c.kill_redis("h1", FIRST)
    c.wait_settled(but=["h1"], instance=FIRST)
    assert c.holders(SECOND.vips[0]) == {new}
    assert [i["name"] for i in c.status("h2")["instances"]] == ["mymaster", "second"]


def test_both_families_move_together(make_cluster):
    c = make_cluster(instances=[Instance(vips=(VIP, VIP6))])
    writer = c.writer(VIP6)
    assert set(c.instance("h1")["addresses"]) == {VIP + "/32", VIP6 + "/128"}
    c.sentinel_failover(via="h2")
    new = c.wait_settled(but=["h1"])
    writer.wait_writing()
    c.delete_vip(new, VIP6)
    c.wait_holder(new, timeout=5)
    c.link(new, False)
    wait_until(lambda: new not in c.holders(VIP) | c.holders(VIP6), c.bound, f"{new} has let both go")
    c.wait_settled(but=[new])


def test_two_nodes_and_a_third_sentinel_on_the_clients_host(make_cluster):
    c = make_cluster(hosts=2, sentinels=["h1", "h2", "client"])
    c.writer()
    c.power_off("h1")
    c.wait_holder("h2", timeout=40)
    c.boot("h1")
    c.wait_peers()
    time.sleep(1)
    assert c.holders() == {"h2"}


def test_two_nodes_cut_apart_leave_the_address_with_the_witness_side(make_cluster):
    c = make_cluster(hosts=2, sentinels=["h1", "h2", "client"])
    c.isolate("h1")
    c.wait_holder("h2", timeout=40)
    c.heal()
    c.wait_peers()
    time.sleep(1)
    assert c.holders() == {"h2"}


def test_ipv6_alone(make_cluster):
    c = make_cluster(family=6, instances=[Instance(vips=(VIP6,))], settings={"multicast": '"off"'})
    writer = c.writer(VIP6)
    c.power_off("h1")
    c.wait_settled(but=["h1"])
    writer.wait_writing()
    assert c.status("h2")["node"] == "fd77::12"


def test_one_node_with_one_sentinel(make_cluster):
    c = make_cluster(hosts=1)
    c.end("h1", "sentinel")
    c.wait_holder(None, timeout=c.bound + 2)
    c.start_sentinel("h1")
    c.wait_holder("h1")


@pytest.mark.parametrize("settings", [{"multicast": '"off"'}, {"unicast": "off"}], ids=["unicast", "multicast"])
def test_one_way_of_sending_heartbeats_is_enough(make_cluster, settings):
    c = make_cluster(settings=settings)
    c.sentinel_failover(via="h2")
    c.wait_settled(but=["h1"])
