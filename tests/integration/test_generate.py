# SPDX-License-Identifier: BSD-2-Clause
"""svipctl config generate: a file for what a Sentinel knows."""

import re
import subprocess

import netns
from cluster import Instance, program

SENTINEL = "10.77.0.11:26379"


def generate(c, host, *args, check=True):
    return netns.run(c.hosts[host].ns, program("svipctl"), "config", "generate", *args, check=check)


def written(text):
    """The values of a file's lists, and the names of its blocks."""
    lists = {key: set(re.findall(r'"([^"]+)"', value)) for key, value in re.findall(r"^(\w+)\s*= \{(.*)\}", text, re.M)}
    return lists, re.findall(r'^vip "([^"]+)"', text, re.M)


def test_it_finds_what_there_is_and_svipd_takes_it_once_the_addresses_are_filled_in(make_cluster):
    c = make_cluster(instances=[Instance(), Instance(name="other", port=6380, vips=["10.77.0.51"])])
    c.wait_sentinels()
    text = generate(c, "h2", "--sentinel", SENTINEL)
    lists, blocks = written(text)
    assert lists["nodes"] == {c.address(n) for n in c.nodes}
    assert lists["sentinels"] == {f"{c.address(n)}:26379" for n in c.sentinels}
    assert blocks == ["mymaster", "other"] and 'redis     = "6380"' in text and text.count('interface = "eth0"\n') == 2
    host = c.hosts["h2"]
    key = host.dir / "generated.key"
    subprocess.run([program("svipctl"), "keygen", str(key)], check=True)
    text = text.replace("/etc/svipd/key\"", f"{key}\"", 1)
    file = host.dir / "generated.conf"

    def verdict():
        file.write_text(text)
        return netns.run(host.ns, "sh", "-c", f"{program('svipd')} -t -f {file} 2>&1; echo rc=$?")
    answer = verdict()
    assert "CHANGE-ME" in answer and "rc=0" not in answer, "it is not taken as it is"
    text = text.replace("CHANGE-ME", "10.77.0.60", 1).replace("CHANGE-ME", "10.77.0.61", 1)
    answer = verdict()
    assert "rc=0" in answer, answer


def test_a_sentinel_asked_by_loopback_is_written_at_the_address_that_others_use(make_cluster):
    c = make_cluster()
    c.wait_sentinels()
    lists, _ = written(generate(c, "h3", "--sentinel", "127.0.0.1:26379"))
    assert lists["sentinels"] == {f"{c.address(n)}:26379" for n in c.sentinels}


def test_a_host_that_is_no_node_says_that_the_interface_is_a_guess(make_cluster):
    c = make_cluster()
    assert "a guess" in generate(c, "client", "--sentinel", SENTINEL)


def test_what_can_not_be_asked_is_said():
    def ctl(*args):
        return subprocess.run([program("svipctl"), *args], capture_output=True, text=True, timeout=20)
    done = ctl("config", "generate", "--sentinel", "127.0.0.1:1")
    assert done.returncode == 1 and "127.0.0.1:1: Connection refused" in done.stderr and not done.stdout
    assert ctl("config", "generate").returncode == 2
    assert ctl("config", "nonsense").returncode == 2
    assert ctl("config", "generate", "--sentinel", "a:b:c:d e").returncode == 1
    done = ctl("config", "generate", "--sentinel", "127.0.0.1:1", "--sentinel-password-file", "/nonexistent")
    assert done.returncode == 1 and "/nonexistent: No such file" in done.stderr
