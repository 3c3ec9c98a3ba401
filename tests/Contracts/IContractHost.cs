namespace OrleansRealtime.Tests.Contracts;

/// <summary>The server under test, as clients reach it.</summary>
public interface IContractHost
{
    /// <summary>Where the next client connects to.</summary>
    Uri NextAddress();

    /// <summary>A development token of the user; the query may ask for roles, rooms or a lifetime.</summary>
    Task<string> TokenAsync(string user, string query = "");

    /// <summary>A client of the REST API that speaks for the user.</summary>
    Task<HttpClient> RestAsync(string user, string query = "");

    /// <summary>How far the user's inbox is known to have been handed out.</summary>
    Task<long> DeliveredAsync(string user);
}
