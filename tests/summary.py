#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints "N passed, N failed, N skipped" for the last run of `meson test`, counting single test cases.

The argument is Meson's folder of logs: testlog.json says how each program ended, testlog.junit.xml which cases it
had. A program that crashed or ran out of time counts as one failure where no case of its own has failed. The exit
code is 1 if anything failed or nothing ran.
"""
import collections
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def outcome_of_case(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def outcome_of_program(result):
    return {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(result, "failed")


def count(programs, suites):
    """programs: (name, Meson's result) of each; suites: the <testsuite> elements of Meson's JUnit file."""
    cases = collections.defaultdict(collections.Counter)
    for suite in suites:
        # "project.program.suite" from GoogleTest, "project.program" from TAP; "project" alone holds whole programs.
        name = suite.get("name", "").partition(".")[2]
        owners = [p for p, _ in programs if name == p or name.startswith(p + ".")]
        if not owners:
            continue
        for case in suite.findall("testcase"):
            if case.get("status") != "notrun":  # DISABLED_ in GoogleTest
                cases[max(owners, key=len)][outcome_of_case(case)] += 1

    total = collections.Counter()
    for program, result in programs:
        outcome = outcome_of_program(result)
        counted = cases[program]
        if outcome == "failed" and not counted["failed"]:
            counted["failed"] += 1
        total += counted if counted else collections.Counter({outcome: 1})
    return total


def main():
    logs = pathlib.Path(sys.argv[1])
    runs = [json.loads(line) for line in (logs / "testlog.json").read_text().splitlines()]
    programs = [(run["name"], run["result"]) for run in runs]
    total = count(programs, ElementTree.parse(logs / "testlog.junit.xml").getroot().iter("testsuite"))
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total else 0


if __name__ == "__main__":
    sys.exit(main())
