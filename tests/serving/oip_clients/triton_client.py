"""Talks to a server with Triton's client over HTTP and gRPC; writes what it hears as JSON.

Usage: triton_client.py URL GRPC_PORT
"""

import json
import sys

import numpy as np
import tritonclient.grpc as by_grpc
import tritonclient.http as by_http


def talk(kind, address, **keywords):
    """The same conversation over one of the two."""
    with kind.InferenceServerClient(address) as client:
        heard = {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model ready": client.is_model_ready("taxi", "3"),
        }
        heard["server"] = client.get_server_metadata(**keywords)
        heard["metadata"] = client.get_model_metadata("taxi", **keywords)
        fare = kind.InferInput("fare", [2, 1], "FP32")
        fare.set_data_from_numpy(np.array([[3.5], [-7.0]], np.float32))
        company = kind.InferInput("company", [2], "BYTES")
        company.set_data_from_numpy(np.array(["Flash", "Zürich"], object))
        result = client.infer("taxi", [fare, company], model_version="3", request_id="r-2")
        heard["all"] = {name: result.as_numpy(name).tolist() for name in ("probabilities", "label")}
        wanted = [kind.InferRequestedOutput("probabilities", class_count=1)]
        result = client.infer("taxi", [fare, company], outputs=wanted)
        heard["classes"] = [text.decode() for text in result.as_numpy("probabilities").ravel()]
        try:
            client.infer("bus", [fare])
        except Exception as error:
            heard["error"] = str(error)
    return heard


url, port = sys.argv[1].removeprefix("http://"), sys.argv[2]
print(
    json.dumps(
        {"http": talk(by_http, url), "grpc": talk(by_grpc, f"127.0.0.1:{port}", as_json=True)},
    )
)
