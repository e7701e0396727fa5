"""Talks to a server with KServe's own client over HTTP and gRPC; writes what it hears as JSON.

Usage: kserve_client.py URL GRPC_PORT
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def request(binary, outputs=None):
    """Two rows, typed or binary."""
    fare = InferInput("fare", [2], "FP64")
    fare.set_data_from_numpy(np.array([3.5, -7.0]), binary_data=binary)
    company = InferInput("company", [2], "BYTES")
    company.set_data_from_numpy(np.array(["Flash", "Zürich"], object), binary_data=binary)
    return InferRequest("taxi", [fare, company], request_id="r-1", request_outputs=outputs)


def told(response):
    """What matters of a response."""
    outputs = {o.name: [o.datatype, list(o.shape), o.as_numpy().tolist()] for o in response.outputs}
    return {"id": response.id, "model": response.model_name, "outputs": outputs}


async def main(url, grpc_port):
    heard = {}
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        heard["live"] = await client.is_server_live(url)
        heard["ready"] = await client.is_server_ready(url)
        heard["model ready"] = await client.is_model_ready(url, "taxi")
        heard["unknown ready"] = await client.is_model_ready(url, "bus")
        heard["rest json"] = told(await client.infer(url, request(False), model_name="taxi"))
        heard["rest binary"] = told(await client.infer(url, request(True), model_name="taxi"))
        wanted = [RequestedOutput("probabilities", {"binary_data": True})]
        heard["rest out"] = told(await client.infer(url, request(True, wanted), model_name="taxi"))
        try:
            await client.infer(url, {"inputs": []}, model_name="taxi")
        except Exception as error:
            heard["rest error"] = str(error)
    async with InferenceGRPCClient(f"127.0.0.1:{grpc_port}", retries=0) as client:
        heard["grpc live"] = await client.is_server_live()
        heard["grpc ready"] = await client.is_server_ready()
        heard["grpc model ready"] = await client.is_model_ready("taxi")
        heard["grpc typed"] = told(await client.infer(request(False)))
        heard["grpc raw"] = told(await client.infer(request(True)))
    print(json.dumps(heard))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
