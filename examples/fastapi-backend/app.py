"""A backend in FastAPI with login, tokens for Boreas, publishing and presence. See README.md."""

import argparse
import hashlib
import hmac
import logging
import os
import re
import secrets
import socket
import threading
import time
from pathlib import Path

import boreas
import jwt
import uvicorn
from fastapi import Cookie, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, Field

CHANNEL = "room"
MAX_BODY = 16 << 10  # bytes
TOKEN_LIFE = 5 * 60  # seconds; the page gets another token in time
SESSION_LIFE = 12 * 60 * 60  # seconds
MAX_SESSIONS = 10_000

log = logging.getLogger("room")


def hash_of(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)


class User:
    def __init__(self, name, password):
        self.name, self.salt = name, secrets.token_bytes(16)
        self.hash = hash_of(password, self.salt)


class Login(BaseModel):
    user: str = Field(max_length=100)
    password: str = Field(max_length=1000)


class Message(BaseModel):
    text: str = Field(min_length=1, max_length=500)
    key: str = Field(min_length=8, max_length=64)


class Backend:
    """The users, the logged-in browsers, and the connection to Boreas."""

    def __init__(self, options):
        self.options = options
        self.secret = Path(options.secret).read_text().rstrip()
        if len(self.secret.encode()) < 32:
            raise SystemExit(f"{options.secret} has less than 32 bytes: make it with 'openssl rand -base64 32'")
        self.api = boreas.ApiClient(options.api, key=os.environ.get("API_KEY"))
        # Your application has its own users; it keeps hashes of passwords, as here.
        self.users = {"ann": User("Ann", "blue"), "ben": User("Ben", "green"), "cleo": User("Cleo", "red")}
        self.nobody = User("", secrets.token_hex())  # so that unknown users take as long
        self.lock = threading.Lock()
        self.sessions = {}  # guarded by lock: the value of a browser's cookie -> the user and the expiry

    def login(self, user, password):
        found = self.users.get(user, self.nobody)
        if not hmac.compare_digest(hash_of(password, found.salt), found.hash) or found is self.nobody:
            raise HTTPException(401, "the name or the password is wrong")
        session = secrets.token_urlsafe(24)
        with self.lock:
            if len(self.sessions) >= MAX_SESSIONS:
                del self.sessions[next(iter(self.sessions))]  # the oldest
            self.sessions[session] = (user, time.time() + SESSION_LIFE)
        return session

    def logout(self, session):
        with self.lock:
            self.sessions.pop(session, None)

    def logged_in(self, session: str = Cookie(default="")):
        with self.lock:
            user, expires = self.sessions.get(session, (None, 0))
        if expires < time.time():
            raise HTTPException(401, "log in first")
        return user

    def token(self, user):
        """Returns a JSON Web Token (RFC 7519), which Boreas checks with the same secret.

        It says who the user is, and what this user may do. Messages go through this backend, so publishing
        is not allowed. Others see the name in info as verified.
        """
        now = int(time.time())
        rules = [{"channels": [CHANNEL], "allow": ["join", "history", "presence"]}]
        claims = {"sub": user, "iat": now, "exp": now + TOKEN_LIFE, "info": {"name": self.users[user].name}, "boreas": rules}
        return jwt.encode(claims, self.secret, algorithm="HS256")


def build(options):
    backend = Backend(options)
    app = FastAPI(openapi_url=None)
    page = Path(options.page)
    sockets = options.boreas.replace("http", "ws", 1)
    policy = (
        f"default-src 'self'; img-src data:; script-src 'self' {options.boreas}; connect-src 'self' {options.boreas} {sockets}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )

    @app.middleware("http")
    async def protect(request: Request, call_next):
        length = request.headers.get("Content-Length", "")
        if request.method == "POST" and request.headers.get("Content-Type") != "application/json":  # which forms of other sites cannot send
            response = JSONResponse({"error": "send application/json"}, 415)
        elif request.method == "POST" and not (length.isdigit() and int(length) <= MAX_BODY):
            response = JSONResponse({"error": f"the request has no Content-Length, or more than {MAX_BODY} bytes"}, 413)
        else:
            response = await call_next(request)
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @app.exception_handler(HTTPException)
    async def refused(_, error):
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(RequestValidationError)
    async def invalid(_, error):
        return JSONResponse({"error": f"{error.errors()[0]['loc'][-1]}: {error.errors()[0]['msg']}"}, 400)

    @app.exception_handler(ConnectionError)
    @app.exception_handler(boreas.ApiError)
    async def failed(_, error):
        log.error("Boreas: %s", error)
        refused = isinstance(error, boreas.ApiError)
        return JSONResponse({"error": f"Boreas refused the request: {error.code}" if refused else "Boreas cannot be reached"}, 502)

    @app.post("/login")
    def login(form: Login, response: Response):
        session = backend.login(form.user, form.password)
        response.set_cookie("session", session, max_age=SESSION_LIFE, httponly=True, samesite="strict")
        return {}

    @app.post("/logout")
    def logout(response: Response, session: str = Cookie(default="")):
        backend.logout(session)
        response.delete_cookie("session")
        return {}

    @app.get("/session")
    def session(user: str = Depends(backend.logged_in)):
        return {"user": user, "name": backend.users[user].name, "channel": CHANNEL, "server": options.boreas}

    @app.get("/token")
    def token(response: Response, user: str = Depends(backend.logged_in)):
        response.headers["Cache-Control"] = "no-store"
        return {"token": backend.token(user)}

    # The page makes the key. If it sends a message again after a lost answer, Boreas publishes it once.
    @app.post("/messages")
    def publish(message: Message, user: str = Depends(backend.logged_in)):
        text = message.text.strip()
        if not text:
            raise HTTPException(400, "the message is empty")
        if not re.fullmatch("[A-Za-z0-9_-]+", message.key):
            raise HTTPException(400, "a key has 8 to 64 letters, digits, - and _")
        backend.api.publish(CHANNEL, {"from": backend.users[user].name, "text": text}, key=f"{user}:{message.key}")
        return {}

    @app.get("/people")
    def people():
        return {"users": backend.api.presence(CHANNEL)["users"]}

    @app.get("/boreas.js")
    def client():
        return RedirectResponse(f"{options.boreas}/boreas.js", 307)  # the client in the server's version

    @app.get("/")
    def index():
        return FileResponse(page / "index.html")

    @app.get("/room.js")
    def script():
        return FileResponse(page / "room.js", media_type="text/javascript")

    @app.get("/style.css")
    def style():
        return FileResponse(page / "style.css")

    return app


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:8090")
    parser.add_argument("--api", default="http://127.0.0.1:8001", help="where this backend reaches Boreas")
    parser.add_argument("--boreas", default="http://127.0.0.1:8002", help="where browsers reach it")
    parser.add_argument("--secret", default="secret", help="the file that Boreas has as --jwt-keys=hs256:secret")
    parser.add_argument("--page", default=Path(__file__).parent.parent / "node-backend" / "page", help="the folder of the page")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen()
    app = build(options)
    print(f"The room is at http://{host}:{listener.getsockname()[1]}/", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
