"""``--pcap FILE``: what guests say to each other, as a capture that tcpdump and Wireshark open.

There is no wire in the machine and so no packet: bytes go from one socket's buffer into another's.
What stands in the file is made up from what happened, as TCP and UDP would have sent it over a
loopback interface: handshakes, segments with sequence numbers and acknowledgements, FIN and RST,
datagrams, ICMP where nobody has the port.  Payloads, addresses, ports, order and times are the
real ones; windows, acknowledgements after every segment and initial sequence numbers are ours.

- ``headers``: bytes of packets, with their checksums (dpkt).
- ``streams``: the sequence numbers of each connection.
- ``capture``: the observer of kernel.net, and the file.

Packets begin with their IP header (LINKTYPE_RAW); times have nanoseconds.  With ``--network host``
the program's own sockets are shown the same way, with the host's addresses; connections that come
in through ``-p`` are seen inside, on the loopback.  UNIX sockets have no packets and are not there.
"""

from __future__ import annotations
