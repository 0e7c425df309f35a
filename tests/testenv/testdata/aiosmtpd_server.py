"""A mail server for the tests, with aiosmtpd: it offers STARTTLS and refuses everything before it, and everybody who has not logged in.

Each mail that it takes is a file in the directory, with the recipient in its first line. It refuses recipients that begin with nobody for good, and those that
begin with later for the time being.
"""

import argparse
import asyncio
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, directory):
        self.directory, self.count = pathlib.Path(directory), 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        if address.startswith("later"):
            return "450 4.2.1 the mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        text = "\n".join(envelope.rcpt_tos).encode() + b"\n" + envelope.content
        part = self.directory / f"{self.count}.part"
        part.write_bytes(text)
        part.rename(self.directory / f"{self.count}.mail")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    success = (data.login, data.password) == (b"iotmon", "päss word".encode())
    return AuthResult(success=success, handled=False)  # The server answers by itself.


async def main():
    parser = argparse.ArgumentParser()
    for name in ("port", "directory", "cert", "key"):
        parser.add_argument("--" + name)
    o = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(o.cert, o.key)
    handler = Handler(o.directory)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate, hostname="mail.plant.example"),
        "127.0.0.1", int(o.port),
    )
    async with server:
        await server.serve_forever()


asyncio.run(main())
