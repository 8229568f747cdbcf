"""The suite's fuzzingserver, on a free port of 127.0.0.1 instead of a given one of every interface. For Python 2.7.

    fuzzingserver.py SPEC

Says "port N" on the first line that begins so, once it listens.
"""

import json
import sys

from autobahntestsuite import wstest  # first: it chooses the reactor
from autobahntestsuite import fuzzing
from twisted.internet import reactor


def listen(factory, _):
    port = reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port
    factory.externalPort = port  # what a Host header must say
    sys.stdout.write("port %d\n" % port)
    sys.stdout.flush()


fuzzing.listenWS = listen
with open(sys.argv[1]) as spec:
    wstest.start({"mode": "fuzzingserver", "webport": 0}, json.load(spec))
