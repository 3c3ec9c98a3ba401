using System.IO.Compression;
using System.Text.RegularExpressions;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>The package of the .NET client, as an application of its own gets and uses it: with the first example of its README.</summary>
public sealed partial class PackageTests : IDisposable
{
    // A version of its own, so that no package of an earlier run is taken for it.
    readonly string _version = $"0.1.0-test.{DateTime.UtcNow:yyyyMMddHHmmssfff}";
    readonly string _folder = Directory.CreateTempSubdirectory("realtime-package-").FullName;

    static string Repository { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));

    static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        string packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        string own = Path.Combine(packages, "orleansrealtime.client", _version);
        if (Directory.Exists(own))
        {
            Directory.Delete(own, recursive: true);
        }
    }

    [Fact]
    public async Task A_fresh_project_installs_the_package_and_runs_the_example_of_its_readme()
    {
        await DotNetTool.RunAsync(Repository, "pack", "clients/dotnet/OrleansRealtime.Client.csproj", "--no-build", "-c", Configuration, "-o", _folder, $"-p:PackageVersion={_version}");
        string package = Path.Combine(_folder, $"OrleansRealtime.Client.{_version}.nupkg");
        string readme = Content(package, "README.md"), manifest = Content(package, "OrleansRealtime.Client.nuspec");
        Assert.DoesNotContain("OrleansRealtime.Contracts", manifest, StringComparison.Ordinal);
        Assert.Contains("<readme>README.md</readme>", manifest, StringComparison.Ordinal);

        await using var host = await EmbeddedHost.StartAsync();
        string example = Example().Match(readme).Groups["code"].Value;
        Assert.InRange(example.Split('\n').Count(line => line.Trim().Length > 1), 5, 12);
        string project = Directory.CreateDirectory(Path.Combine(_folder, "fresh")).FullName;
        await File.WriteAllTextAsync(Path.Combine(project, "Program.cs"), example.Replace("http://127.0.0.1:5000", host.Address.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(project, "nuget.config"), $"""
            <configuration><packageSources><add key="local" value="{_folder}" /></packageSources></configuration>
            """, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(project, "fresh.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="OrleansRealtime.Client" Version="{_version}" />
              </ItemGroup>
            </Project>
            """, TestContext.Current.CancellationToken);

        string output = await DotNetTool.RunAsync(project, "run", "--property:NuGetAudit=false");
        Assert.Contains("""ann: {"text":"hello"}""", output, StringComparison.Ordinal);
    }

    static string Content(string package, string name)
    {
        using var zip = ZipFile.OpenRead(package);
        using var reader = new StreamReader(zip.GetEntry(name)!.Open());
        return reader.ReadToEnd();
    }

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();
}
